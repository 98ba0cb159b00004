"""Hypothesis strategies for manifests that can be deployed."""

from hypothesis import strategies as st

from events.manifest import (
    Endpoint,
    Function,
    Gateway,
    KeyValueTable,
    Manifest,
    Method,
    Route,
    RuntimeName,
    Service,
    Storage,
    binary_id,
)

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,11}", fullmatch=True)
function_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,11}", fullmatch=True)
segments = st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)


@st.composite
def paths(draw: st.DrawFn) -> str:
    parts = draw(st.lists(segments, max_size=3))
    parameters = draw(st.sets(st.integers(0, 3), max_size=2))
    return "/" + "/".join(f"{{p{i}}}" if i in parameters else part for i, part in enumerate(parts))


@st.composite
def functions(draw: st.DrawFn, name: str) -> Function:
    environment = st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    )
    return Function(
        name,
        binary_id(draw(st.binary(max_size=4))),
        RuntimeName.WASI_1_0,
        draw(st.integers(1, 4096)),
        draw(environment),
    )


@st.composite
def gateways(draw: st.DrawFn, name: str, services: list[str]) -> Gateway:
    templates = draw(
        st.lists(paths(), max_size=3, unique_by=lambda path: path.replace("p1", "p0").replace("p2", "p0"))
    )
    shapes: set[tuple[str, ...]] = set()
    endpoints: list[Endpoint] = []
    for path in templates:
        shape = tuple("{}" if part.startswith("{") else part for part in path.split("/"))
        if shape in shapes:
            continue
        shapes.add(shape)
        methods = draw(st.lists(st.sampled_from(Method), min_size=1, max_size=3, unique=True))
        routes = tuple(Route(m, draw(st.sampled_from(services)), draw(function_names)) for m in methods)
        endpoints.append(Endpoint(path, routes))
    return Gateway(name, tuple(endpoints))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest that passes the check."""
    function_services = [
        draw(functions(name)) for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ]
    services: list[Service] = list(function_services)
    known = [service.name for service in function_services]
    services += [draw(gateways(name, known)) for name in draw(st.lists(names, max_size=2, unique=True))]
    services += [
        KeyValueTable(name, draw(st.booleans())) for name in draw(st.lists(names, max_size=2, unique=True))
    ]
    services += [
        Storage(name, draw(st.booleans())) for name in draw(st.lists(names, max_size=2, unique=True))
    ]
    version = draw(st.from_regex(r"[0-9A-Za-z.+-]{1,8}", fullmatch=True))
    return Manifest(draw(names), version, tuple(draw(st.permutations(services))))
