"""Whether what Terraform refers to is declared. For machines that reach no registry of providers: `terraform validate` says more."""
import pathlib
import re
import sys

BLOCK = re.compile(r'^(resource|data|variable|output) "([a-z0-9_]+)"(?: "([a-z0-9_]+)")?', re.M)
USE = re.compile(r"\b(?:(var)|(data)\.([a-z0-9_]+)|((?:aws|google)_[a-z0-9_]+))\.([a-z0-9_]+)")


def strings_removed(text):
    """Keeps what stands in `${...}` of a string, and nothing else of it."""
    text = re.sub(r"#.*", "", text)
    return re.sub(r'"([^"\n]*)"', lambda found: " ".join(re.findall(r"\$\{([^}]*)\}", found[1])), text)


def main(folders):
    wrong = 0
    for folder in folders:
        text = "\n".join(path.read_text() for path in sorted(pathlib.Path(folder).glob("*.tf")))
        declared = [found.groups() for found in BLOCK.finditer(text)]
        names = {(kind, first, second) for kind, first, second in declared}
        for name in sorted({name for name in names if declared.count(name) > 1}):
            print(f"{folder}: declared twice: {name}")
            wrong += 1
        used = set()
        for var, data, data_kind, resource, name in USE.findall(strings_removed(text)):
            use = ("variable", name, None) if var else ("data", data_kind, name) if data else ("resource", resource, name)
            use = tuple(part or None for part in use)
            used.add(use)
            if use not in names:
                print(f"{folder}: not declared: {use}")
                wrong += 1
        for name in sorted(name for name in names if name[0] == "variable" and name not in used):
            print(f"{folder}: used nowhere: {name}")
            wrong += 1
        assert len(declared) > 8, f"{folder} declares {len(declared)} things"
        print(f"{folder}: {len(declared)} declarations, {len(used)} references")
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
