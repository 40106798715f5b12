"""``kwartier serve``: the console in a browser, and the API for programs."""

from typing import Annotated

import typer

from kwartier.cli.options import HomeOption, home_folder, say

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT = 8447
MAX_PORT = 65_535


def serve(
    host: Annotated[str, typer.Option("--host", help="The address of this machine to listen at.")] = LOOPBACK[0],
    port: Annotated[int, typer.Option("--port", min=0, max=MAX_PORT, help="The port; 0: one that is free.")] = PORT,
    home: HomeOption = None,
) -> None:
    """Serve the console and the API until SIGTERM or Ctrl-C, which end everything within 5 seconds.

    It listens on this machine alone unless it is told otherwise, and speaks no TLS: others reach it through a proxy that
    does, whose address is the setting `serve_address`. READY and the address are printed once it listens.
    """
    from kwartier.service.home import open_home
    from kwartier.web.app import create_app
    from kwartier.web.serving import listening
    from kwartier.web.serving import serve as answer

    with open_home(home_folder(home)) as opened, listening(host, port) as line:
        if host not in LOOPBACK:
            say(f"listening at {host}, where others can reach it, and without TLS: put a proxy with TLS before it")
        shown = f"[{host}]" if ":" in host else host
        app = create_app(opened, hosts=(shown,))
        answer(app, line, lambda: print(f"READY http://{shown}:{line.getsockname()[1]}/", flush=True))
