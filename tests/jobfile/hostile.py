"""Files that mean harm, by name. Each must be refused quickly, in little memory, and without an echo."""

from collections.abc import Iterator

ESCAPES = {
    "clear-screen": "a\x1b[2J",
    "title": "a\x1b]0;owned\x07",
    "hyperlink": "a\x1b]8;;http://x\x1b\\",
    "bell": "a\x07",
    "carriage-return": "a\rb",
    "newline": "a\nb",
    "csi-8bit": "a\x9b31m",
    "right-to-left": "a\u202eb",
    "isolate": "a\u2066b",
    "zero-width": "a\u200bb",
    "line-separator": "a\u2028b",
    "nul": "a\x00b",
    "delete": "a\x7f",
    "surrogate-ish": "a\ue000b",
}
SHELL = {
    "semicolon": "a;id",
    "substitution": "$(id)",
    "backtick": "`id`",
    "pipe": "a|id",
    "and": "a&&id",
    "redirect": "a>x",
    "glob": "a*",
    "quote": "a'b",
    "double-quote": 'a"b',
    "space": "a b",
    "option": "-rf",
    "long-option": "--help",
    "slash": "a/b",
    "backslash": "a\\b",
    "parent": "../a",
    "inner-parent": "a..b",
    "absolute": "/etc/passwd",
    "dot": ".",
    "dots": "..",
    "home": "~root",
    "empty": "",
    "percent": "%s%n",
    "brace": "{a,b}",
    "long": "a" * 5000,
    "unicode": "naïve",
    "markup": "[link=http://x]a[/link]",
}
GIT_URLS = {
    "ext": "ext::sh -c id",
    "file": "file:///etc",
    "plain-http": "http://host/x.git",
    "git": "git://host/x.git",
    "option-host": "ssh://-oProxyCommand=id/x",
    "option-user": "ssh://-oA@host/x",
    "option": "--upload-pack=id",
    "password": "https://user:canary@host/x.git",
    "token": "https://canary@host/x.git",
    "local": "/srv/repo.git",
    "relative": "../repo.git",
    "parent": "https://host/../../x",
    "space": "https://host/x y",
    "newline": "https://host/x\ny",
    "fd": "fd::17",
    "scp-option": "git@-oA:x",
    "scp-path": "git@host:-x",
    "ftp": "ftp://host/x",
    "bad-port": "https://host:port/x",
    "bracket": "https://[::1/x",
    "query": "https://host/x?y=z",
}
TAGS = {
    "apply": "!!python/object/apply:os.system ['id']",
    "new": "!!python/object/new:subprocess.Popen [['id']]",
    "name": "!!python/name:os.system",
    "module": "!!python/module:os",
    "tuple": "!!python/tuple [1, 2]",
    "object": "!!python/object:object {}",
    "binary": "!!binary aGk=",
    "set": "!!set {a, b}",
    "omap": "!!omap [a: 1]",
    "pairs": "!!pairs [a: 1]",
    "local": "!include /etc/passwd",
    "env": "!ENV ${HOME}",
    "value": "=",
    "uri": "!<tag:example.com,2026:x> y",
}

# Where a short name belongs, and nothing else may.
NAME_PLACES = {
    "name": "name: {}",
    "git-ref": "workdir: {{url: https://host/x.git, ref: {}}}",
    "label-key": "shoestring: {{labels: {{{}: x}}}}",
    "env-key": "envs: {{{}: x}}",
    "secret-key": "secrets: {{{}: x}}",
    "goal": "shoestring: {{goal: {}}}",
    "accelerator": "resources: {{accelerators: {}}}",
    "deadline": "shoestring: {{deadline: {}}}",
    "budget": "shoestring: {{budget: {}}}",
    "work": "shoestring: {{work: {}}}",
}
# Where paths, places and free text belong: only what a terminal would obey is refused.
TEXT_PLACES = {
    "label": "shoestring: {{labels: {{team: {}}}}}",
    "cloud-label": "resources: {{labels: {{team: {}}}}}",
    "infra": "resources: {{infra: {}}}",
    "region": "resources: {{region: {}}}",
    "instance": "resources: {{instance_type: {}}}",
    "image": "resources: {{image_id: {}}}",
    "workdir": "workdir: {}",
    "mount": "file_mounts: {{{}: ./x}}",
    "source": "file_mounts: {{/x: {}}}",
    "bucket": "file_mounts: {{/x: {{name: {}}}}}",
    "where": "shoestring: {{checkpoint: {{where: {}}}}}",
    "glob": "shoestring: {{checkpoint: {{where: /x, glob: {}}}}}",
    "uri": "shoestring: {{data: {{uri: {}}}}}",
    "classification": "shoestring: {{data: {{uri: /x, classification: {}}}}}",
    "residency": "shoestring: {{data: {{uri: /x, residency: {}}}}}",
    "metric": "shoestring: {{gate: {{metric: {}, at_least: 1}}}}",
    "strategy": "resources: {{job_recovery: {}}}",
}
# Allowed on purpose: refs and label keys have slashes, a job name may hold two dots but no slash, unknown
# keys of SkyPilot are passed on, and a folder may be called ".inf".
ALLOWED = {("label-key", "slash"), ("label-key", "inner-parent"), ("git-ref", "slash"),
           ("name", "inner-parent"), ("resources", "nested"), ("file_mounts", "nested"),
           ("workdir", "infinity")}  # fmt: skip


def quoted(text: str) -> str:
    """A YAML double-quoted scalar that holds ``text`` by escapes, so that the file itself is clean."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that want to become large, and large files."""
    for name, shape in {"list": "[{}]", "mapping": "{{a: {}, b: {}}}", "nested": "[[{}], [{}]]"}.items():
        for width in (2, 9):
            lines = ["l0: &l0 [lol, lol, lol, lol, lol, lol]"]
            for i in range(1, 25):
                parts = ", ".join([f"*l{i - 1}"] * width)
                body = "[" + parts + "]" if name != "mapping" else shape.format(f"*l{i - 1}", f"[{parts}]")
                lines.append(f"l{i}: &l{i} {body}")
            yield f"laughs-{name}-{width}", "\n".join(lines).encode()
    yield (
        "merge-laughs",
        (
            "l0: &l0 {a: 1}\n"
            + "\n".join(
                f"l{i}: &l{i} {{k{i}: x, <<: [{', '.join([f'*l{i - 1}'] * 8)}]}}" for i in range(1, 15)
            )
        ).encode(),
    )
    yield (
        "alias-chain",
        ("a0: &a0 [x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000))).encode(),
    )
    yield "self-list", b"run: &a [*a]"
    yield "self-mapping", b"run: &a {b: *a}"
    yield "self-merge", b"resources: &a {<<: *a}"
    yield "unknown-alias", b"run: *nothing"
    yield "many-documents", b"--- {run: x}\n" * 5000
    yield "many-empty-documents", b"---\n" * 50000
    yield "many-keys", "\n".join(f"key{i}: 1" for i in range(40000)).encode()
    yield (
        "many-block-keys",
        ("run: x\nshoestring:\n" + "\n".join(f"  deadlin{i}: 1" for i in range(40000))).encode(),
    )
    yield "same-key", b"run: x\n" * 40000
    yield "same-key-within-limits", b"run: x\n" * 9000
    yield "many-anchors", "\n".join(f"k{i}: &a{i} 1" for i in range(30000)).encode()
    yield "many-errors", ("run: x\nenvs:\n" + "\n".join(f"  1k{i}: 1" for i in range(20000))).encode()
    yield "wide-list", b"run: [" + b"a," * 500_000 + b"]"
    yield "too-large", b"run: " + b"x" * (2 << 20)
    yield "too-large-comment", b"#" * (2 << 20)
    yield "long-name", b"run: x\nname: " + b"x" * 900_000
    yield "long-key", b"x" * 900_000 + b": 1"
    yield "long-number", b"run: x\nnum_nodes: " + b"9" * 900_000
    yield "long-float", b"run: x\nnum_nodes: 1." + b"9" * 900_000
    yield "long-base-60", b"run: x\nnum_nodes: 1" + b":1" * 400_000
    yield "long-hex", b"run: x\nnum_nodes: 0x" + b"f" * 900_000
    yield "long-duration", b"run: x\nshoestring: {deadline: " + b"1" * 900_000 + b"}"
    yield "long-tag", b"run: !" + b"a" * 900_000 + b" x"
    yield "long-anchor", b"run: &" + b"a" * 900_000 + b" [x]"
    yield "bad-date", b"run: x\nname: 2026-13-45"
    yield (
        "any-of-bomb",
        (
            "run: x\nresources:\n  accelerators: ["
            + ", ".join(["8GB+"] * 200)
            + "]\n  any_of:\n"
            + "    - {infra: bad place}\n" * 2000
        ).encode(),
    )
    for mark in (
        "[",
        "{",
        "- ",
        "? ",
        "[{",
        "{a: ",
        "!!seq [",
        "&a [",
        "'",
        '"',
        "|\n ",
        "%x ",
        "*a ",
        ": ",
        "\t",
    ):
        yield f"repeated-{mark.strip() or 'tab'}", mark.encode() * (900_000 // len(mark))
    for depth in (41, 200, 5000):
        yield f"deep-block-{depth}", "\n".join(" " * i + "a:" for i in range(min(depth, 1200))).encode()
        yield f"deep-flow-{depth}", b"run: " + b"[" * depth + b"]" * depth


def encodings() -> Iterator[tuple[str, bytes]]:
    """Bytes that are not clean UTF-8 text."""
    yield "empty", b""
    yield "only-comment", b"# nothing"
    yield "scalar", b"just text"
    yield "list", b"- a\n- b"
    yield "latin-1", b"name: caf\xe9\nrun: x"
    yield "utf-16", "run: x".encode("utf-16")
    yield "utf-32", "run: x".encode("utf-32")
    yield "overlong", b"run: \xc0\xaf"
    yield "surrogate", b"run: \xed\xa0\x80"
    yield "truncated", b"run: \xe2\x82"
    yield "binary", bytes(range(256)) * 16
    yield "gzip", b"\x1f\x8b\x08\x00" + b"\x00" * 64
    for code in [*range(9), 11, 12, *range(14, 32), 127, *range(0x80, 0x85), *range(0x86, 0xA0)]:
        yield f"raw-control-{code:02x}", f"run: x\nname: a{chr(code)}b".encode()
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        yield f"raw-direction-{code:04x}", f"run: x # {chr(code)}".encode()


def values() -> Iterator[tuple[str, bytes]]:
    """Valid YAML whose values mean harm."""
    for place, template in NAME_PLACES.items():
        for name, text in {**ESCAPES, **SHELL}.items():
            if (place, name) not in ALLOWED:
                yield f"{place}-{name}", _job(template.format(quoted(text)))
    for place, template in TEXT_PLACES.items():
        for name, text in ESCAPES.items():
            yield f"{place}-{name}", _job(template.format(quoted(text)))
    for name, url in GIT_URLS.items():
        yield f"git-{name}", _job(f"workdir: {{url: {quoted(url)}}}")
    for name, tag in TAGS.items():
        yield f"tag-{name}", _job(f"config: {tag}")
        yield f"root-tag-{name}", tag.encode()
    for place in (
        "workdir: {}",
        "file_mounts: {{/x: {}}}",
        "shoestring: {{data: {{uri: {}}}}}",
        "shoestring: {{checkpoint: {}}}",
        "inputs: {{{}: 1}}",
    ):
        yield f"password-{place[:24]}", _job(place.format(quoted("s3://key:canary@bucket/x")))
    for target in ("../x", "/a/../../etc", "-x", "", "a\nb"):
        yield f"mount-target-{target!r}", _job(f"file_mounts: {{{quoted(target)}: ./x}}")
    for pattern in ("../*", "/etc/*", "a/../../b", "-x", "~/x"):
        yield f"glob-{pattern}", _job(f"shoestring: {{checkpoint: {{where: /x, glob: {quoted(pattern)}}}}}")
        yield (
            f"marker-{pattern}",
            _job(f"shoestring: {{checkpoint: {{where: /x, complete_marker: {quoted(pattern)}}}}}"),
        )
    for key in ("num_nodes", "resources", "file_mounts", "envs", "name", "workdir", "setup"):
        for kind, value in {
            "list": "[[1]]",
            "number": "-1",
            "infinity": ".inf",
            "nested": "{a: {b: [c]}}",
        }.items():
            if (key, kind) not in ALLOWED:
                yield f"type-{key}-{kind}", _job(f"{key}: {value}")
    yield "complex-key", b"run: x\n? [a, b]\n: c"
    yield "merge-scalar", b"run: x\n<<: 1"
    yield "nul-in-script", b'run: "a\\0b"'
    yield "nul-in-value", _job('envs: {A: "a\\0b"}')


def _job(text: str) -> bytes:
    return f"run: python train.py\n{text}\n".encode()


def cases() -> dict[str, bytes]:
    """Every hostile file by name."""
    found: dict[str, bytes] = {}
    for name, data in [*bombs(), *encodings(), *values()]:
        assert name not in found, f"two cases are called {name}"
        found[name] = data
    return found
