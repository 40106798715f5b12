from subprocess import Popen
from typing import Any

class JavaGateway:
    jvm: Any
    proc: Popen[bytes]
    def shutdown(self) -> None: ...
