"""Opening and closing an association: AARQ and AARE, RLRQ and RLRE.

These four are BER (Green Book 9.4.2), since most of their fields may be absent. What the two sides say about xDLMS - the
initiate-request and its response, ciphered or not - travels inside as user information and stays raw bytes here.

What a client sends is read as strictly as the standard writes it: fields in their order, each at most once. Meters are met
with more patience: their AARE may put fields in any order and leave out all but the result, because a rejection often does.
Secrets never reach a repr: with low-level security the authentication value *is* the password.
"""

from kwartier.dlms.association.aare import Aare
from kwartier.dlms.association.aarq import Aarq
from kwartier.dlms.association.fields import NO_SOURCE, SERVICE_PROVIDER, SERVICE_USER
from kwartier.dlms.association.release import Rlre, Rlrq

__all__ = ["NO_SOURCE", "SERVICE_PROVIDER", "SERVICE_USER", "Aare", "Aarq", "Rlre", "Rlrq"]
