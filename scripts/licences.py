"""Licences of what hq is built from, by `cargo metadata`: `deny.toml` and THIRD-PARTY.md name every crate under a licence that is not allowed to
all, and no other. With a file: writes the notices that go with programs, the licence files of every crate that is linked. Usage:
licences.py [NOTICES]"""
import collections
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = re.compile(r"(licen[cs]e|copying|notice|copyright)", re.I)


def crates(metadata, kinds):
    """Crates that those of the workspace need, without what is for tests alone."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, to_do = set(), list(metadata["workspace_members"])
    while to_do:
        name = to_do.pop()
        if name in seen:
            continue
        seen.add(name)
        for dependency in nodes[name]["deps"]:
            if any(kind["kind"] in kinds for kind in dependency["dep_kinds"]):
                to_do.append(dependency["pkg"])
    return seen


def is_allowed(expression, allowed):
    """Whether an SPDX expression of AND, OR and brackets holds with these licences."""
    words = re.findall(r"\(|\)|[^\s()]+(?: WITH [^\s()]+)?", expression.replace("/", " OR "))
    said = " ".join({"AND": "and", "OR": "or", "(": "(", ")": ")"}.get(word, str(word in allowed)) for word in words)
    return eval(said, {"__builtins__": {}})


def main(notices=None):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    # As `cargo deny` looks at them.
    used = crates(metadata, {None, "build"})
    others = [package for package in metadata["packages"] if package["source"] and package["id"] in used]
    deny = tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]
    paper = (ROOT / "THIRD-PARTY.md").read_text()

    special = {package["name"]: package["license"] for package in others if not is_allowed(package["license"] or "none", deny["allow"])}
    excepted = {exception["crate"] for exception in deny["exceptions"]}
    assert special.keys() == excepted, f"deny.toml: {sorted(special.keys() ^ excepted)}"
    for name, licence in sorted(special.items()):
        assert f"`{name}`" in paper, f"THIRD-PARTY.md does not name `{name}` ({licence})"
    # The notice that Zama's licence asks for lists the crates it is about.
    notice = paper.split("```text\n")[1].split("```")[0]
    clear = {name for name, licence in special.items() if "Clear" in licence}
    listed = {name for line in re.findall(r"ZAMA\. \((.*)\)", notice) for name in line.split(", ")}
    assert listed == clear, f"the notice lists {sorted(listed)}, there are {sorted(clear)}"
    counts = collections.Counter(package["license"] for package in others)
    print(f"{len(others)} crates under {len(counts)} expressions of licences; with a word of their own: {', '.join(sorted(special))}")

    if notices:
        parts = crates(metadata, {None})
        texts, heads = collections.defaultdict(list), []
        for package in sorted((package for package in others if package["id"] in parts), key=lambda package: package["name"]):
            name = f"{package['name']} {package['version']}"
            files = [path for path in pathlib.Path(package["manifest_path"]).parent.iterdir() if path.is_file() and FILES.search(path.name)]
            for path in sorted(files):
                texts[path.read_text(errors="replace").strip()].append(name)
            heads.append(f"{name}: {package['license']}; {', '.join(package['authors']) or 'authors not named'}" + ("" if files else "; no file of its licence"))
        with open(notices, "w") as file:
            file.write("\n".join(heads) + "\n")
            for text, names in texts.items():
                file.write(f"\n{'=' * 80}\n{', '.join(names)}\n\n{text}\n")
        bare = sum("no file" in head for head in heads)
        print(f"{notices}: {len(heads)} crates, {len(texts)} texts; {bare} crates have no file of their licence")


main(*sys.argv[1:])
