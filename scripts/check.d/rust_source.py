"""Reads just enough Rust for scripts/check-floors: imports, functions, and which parts are tests."""

import pathlib
import re

BLANKED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\.[^'\n]*|[^'\\\n])'""", re.S)
TEST = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]|#\[(?:\w+::)?test\b[^\]]*\]")
ITEM = re.compile(r"\s*(?:#\[[^\]]*\]\s*)*(?:pub\b|fn|mod|use|impl|struct|enum|trait|const|static|type|async|unsafe|let)\b")
PATH = re.compile(r"\b(crate::|zurau::|(?:super::)+)(\w+|\{)")


def end_of_item(code, start, stops=";"):
    """The position after the item that begins at `start`: after its block or one of `stops`."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] in "([{":
            depth += 1
        elif code[at] in ")]}":
            depth -= 1
            if depth < 0 or (depth == 0 and code[at] == "}"):
                return at + 1
        elif depth == 0 and code[at] in stops:
            return at + 1
    return len(code)


class File:
    """One source file with comments and literals blanked, and which parts of it are tests."""

    def __init__(self, path, text):
        self.path = path
        self.code = BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
        parts = pathlib.PurePath(path).with_suffix("").parts
        self.module = () if parts in (("lib",), ("main",)) else parts[:-1] if parts[-1] == "mod" else parts
        self.room = parts[0]
        self.tests, self.test_modules, after = [], [], 0
        for match in TEST.finditer(self.code):
            if match.start() >= after:
                after = end_of_item(self.code, match.end(), ";" if ITEM.match(self.code, match.end()) else ";,")
                self.tests.append((match.start(), after))
                for name in re.findall(r"\bmod\s+(\w+)\s*;", self.code[match.end():after]):
                    self.test_modules.append((*self.module, name))

    def line(self, at):
        return self.code.count("\n", 0, at) + 1

    def is_test(self, at):
        return any(start <= at < end for start, end in self.tests)

    def imports(self):
        """(position, room) of every path that begins at the crate's root."""
        inner = [(m.end(), end_of_item(self.code, m.end() - 1)) for m in re.finditer(r"\bmod\s+\w+\s*\{", self.code)]
        for match in PATH.finditer(self.code):
            if match[1].startswith("super"):
                depth = len(self.module) + sum(start <= match.start() < end for start, end in inner)
                if match[1].count("super") != depth:
                    continue
            if match[2] != "{":
                yield match.start(), match[2]
                continue
            group = self.code[match.end():end_of_item(self.code, match.end() - 1) - 1]
            while re.search(r"\{[^{}]*\}", group):
                group = re.sub(r"\{[^{}]*\}", "", group)
            for name in re.findall(r"(?:^|,)\s*(\w+)", group):
                yield match.start(), name

    def functions(self):
        """(position, name, lines) of every function that has a body."""
        for match in re.finditer(r"\bfn\s+(\w+)", self.code):
            end = end_of_item(self.code, match.end())
            if self.code[end - 1] == "}" and not self.is_test(match.start()):
                yield match.start(), match[1], self.code.count("\n", match.start(), end) + 1
