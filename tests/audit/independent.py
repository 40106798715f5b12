"""A second opinion on a log: ``python independent.py proof FILE LOG [WITNESS ...]`` or ``... folder DIR LOG [WITNESS ...]``.

Written from RFC 6962, RFC 8032 and the pages of C2SP, without a look at the program and without anything of it: hashes by the
recursive definition, Ed25519 in whole numbers. It is slow, and that is all right. Exit 1, with a sentence, where something is
wrong.
"""

import base64
import hashlib
import pathlib
import sys

# Ed25519, RFC 8032 section 5.1

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def point_of(octets: bytes) -> Point:
    number = int.from_bytes(octets, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P:
        sys.exit("a key or signature is no point of the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, text: bytes, signature: bytes) -> bool:
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % L
    left, right = times(s, BASE), add(point_of(r), times(k, point_of(key)))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# Notes


def signed_by(note: str, vkey: str, kind: int) -> None:
    """The note carries a signature by that key that holds."""
    name, key_id, key = vkey.split("+", 2)
    octets = base64.b64decode(key)
    if octets[0] != kind or hashlib.sha256(f"{name}\n".encode() + octets).hexdigest()[:8] != key_id:
        sys.exit(f"{vkey} is no key of kind {kind}")
    cut = note.rindex("\n\n")
    text, lines = note[: cut + 1], note[cut + 2 :].splitlines()
    for line in lines:
        dash, who, code = line.split(" ")
        signature = base64.b64decode(code)
        if dash == "\u2014" and who == name and signature[:4].hex() == key_id:
            signature, said = signature[4:], text.encode()
            if kind == 4:
                moment = int.from_bytes(signature[:8], "big")
                signature, said = signature[8:], b"cosignature/v1\ntime %d\n" % moment + said
            if not is_signed(octets[1:], said, signature):
                sys.exit(f"the signature by {name} is false")
            return
    sys.exit(f"no signature by {name}")


def checkpoint(note: str, log: str, witnesses: list[str]) -> tuple[int, bytes]:
    signed_by(note, log, 1)
    for one in witnesses:
        signed_by(note, one, 4)
    origin, size, root = note.split("\n")[:3]
    if origin != log.split("+", 1)[0]:
        sys.exit(f"a checkpoint of {origin}")
    return int(size), base64.b64decode(root)


# Trees, RFC 6962 section 2.1


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def mth(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def climb(found: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root, from the top down: the last hash of the path belongs to the other half of the whole."""
    if size == 1:
        if path:
            sys.exit("hashes are left over")
        return found
    if not path:
        sys.exit("there are too few hashes")
    k = 1
    while 2 * k < size:
        k *= 2
    if index < k:
        return hashlib.sha256(b"\1" + climb(found, index, k, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\1" + path[-1] + climb(found, index - k, size - k, path[:-1])).digest()


def check_proof(file: str, log: str, witnesses: list[str]) -> None:
    text = pathlib.Path(file).read_text("utf-8")
    head, note = text.split("\n\n", 1)
    title, extra, number, *path = head.split("\n")
    size, root = checkpoint(note, log, witnesses)
    index = int(number.removeprefix("index "))
    if title != "c2sp.org/tlog-proof@v1" or not 0 <= index < size:
        sys.exit("no proof of a record")
    record = base64.b64decode(extra.removeprefix("extra "))
    if climb(leaf(record), index, size, [base64.b64decode(one) for one in path]) != root:
        sys.exit("the proof does not lead to the root")
    sys.stdout.write(f"{record.decode()}\n")


# Folders, tlog-tiles


def name_of(number: int) -> str:
    text = f"{number % 1000:03}"
    while number >= 1000:
        number //= 1000
        text = f"x{number % 1000:03}/{text}"
    return text


def check_folder(folder: str, log: str, witnesses: list[str]) -> None:
    root_folder = pathlib.Path(folder)
    size, root = checkpoint((root_folder / "checkpoint").read_text("utf-8"), log, witnesses)
    leaves: list[bytes] = []
    for bundle in range(-(-size // 256)):
        width = min(256, size - bundle * 256)
        part = "" if width == 256 else f".p/{width}"
        octets = (root_folder / f"tile/entries/{name_of(bundle)}{part}").read_bytes()
        for _ in range(width):
            length = int.from_bytes(octets[:2], "big")
            leaves.append(leaf(octets[2 : 2 + length]))
            octets = octets[2 + length :]
        if octets:
            sys.exit(f"bundle {bundle} is too long")
    if mth(leaves) != root:
        sys.exit("the entries do not hash to the root")
    level = 0
    while size >> 8 * level:
        whole = size >> 8 * level
        for tile in range(-(-whole // 256)):
            width = min(256, whole - tile * 256)
            part = "" if width == 256 else f".p/{width}"
            span = 256**level
            wanted = b"".join(mth(leaves[at * span : (at + 1) * span]) for at in range(tile * 256, tile * 256 + width))
            if (root_folder / f"tile/{level}/{name_of(tile)}{part}").read_bytes() != wanted:
                sys.exit(f"tile {tile} of level {level} is wrong")
        level += 1
    sys.stdout.write(f"{size}\n")


if __name__ == "__main__":
    {"proof": check_proof, "folder": check_folder}[sys.argv[1]](sys.argv[2], sys.argv[3], sys.argv[4:])
