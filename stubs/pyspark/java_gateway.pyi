from collections.abc import Mapping

from py4j.java_gateway import JavaGateway

def launch_gateway(*, popen_kwargs: Mapping[str, object] | None = ...) -> JavaGateway: ...
