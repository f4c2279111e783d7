"""A recursive-descent parser of the expressions that YAML may hold, with DuckDB's precedence.

From loose to tight: OR, AND, NOT, IS, comparison, BETWEEN IN LIKE, `|| & |`, `+ -`, `* / // %`, `^ **`, sign, `::`.
"""

from __future__ import annotations

from decimal import Decimal

from daeda.errors import ConfigurationError
from daeda_audit.expression.syntax import Aggregate, Call, Case, Cast, Column, Constant, Node, Token, tokens_of

_COMPARISONS = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_LEVELS = (("||", "&", "|"), ("+", "-"), ("*", "/", "//", "%"), ("^", "**"))
_AGGREGATES = frozenset({"count", "sum", "min", "max", "avg", "mean"})
_TYPED_TEXTS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"})
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}


def parse(text: str) -> Node:
    """The tree of an expression; raises ConfigurationError that shows where it cannot be read."""
    parser = _Parser(text, tokens_of(text))
    tree = parser.disjunction()
    parser.expect_end()
    return tree


class _Parser:
    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    # -- words ---------------------------------------------------------------------------------------------------

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *values: str) -> Token | None:
        """The next token, if it is a word or a symbol of these."""
        token = self._next
        if token.kind in ("word", "symbol") and token.value in values:
            self._at += 1
            return token
        return None

    def _takes(self, *words: str) -> bool:
        """Whether these words follow one another; they are taken then."""
        following = self._tokens[self._at : self._at + len(words)]
        if [token.value for token in following if token.kind == "word"] != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, value: str) -> None:
        if self._take(value) is None:
            self._fail(f"'{value}' is expected")

    def expect_end(self) -> None:
        if self._next.kind != "end":
            self._fail("an operator is expected")

    def _fail(self, what: str) -> None:
        token = self._next
        raise ConfigurationError(
            f"the audit cannot read {self._text!r}: {what} at character {token.position + 1}, found {token.shown}"
        )

    # -- levels --------------------------------------------------------------------------------------------------

    def disjunction(self) -> Node:
        left = self._conjunction()
        while self._take("OR"):
            left = Call("or", (left, self._conjunction()))
        return left

    def _conjunction(self) -> Node:
        left = self._negation()
        while self._take("AND"):
            left = Call("and", (left, self._negation()))
        return left

    def _negation(self) -> Node:
        return Call("not", (self._negation(),)) if self._take("NOT") else self._truth()

    def _truth(self) -> Node:
        left = self._comparison()
        while True:
            if self._take("ISNULL"):
                left = Call("is null", (left,))
            elif self._take("NOTNULL"):
                left = Call("not", (Call("is null", (left,)),))
            elif self._take("IS"):
                left = self._is(left)
            elif token := self._take(*_COMPARISONS):  # what follows a comparison at once is refused by DuckDB
                left = Call(_COMPARISONS[token.value], (left, self._range()))
            else:
                return left

    def _is(self, left: Node) -> Node:
        negated = self._take("NOT") is not None
        if self._takes("DISTINCT", "FROM"):
            found = Call("is distinct", (left, self._comparison()))
        else:
            word = self._take("NULL", "TRUE", "FALSE")
            if word is None:
                self._fail("NULL, TRUE, FALSE or DISTINCT FROM is expected")
            assert word is not None
            found = Call(f"is {word.value.lower()}", (left,))
        return Call("not", (found,)) if negated else found

    def _comparison(self) -> Node:
        left = self._range()
        if token := self._take(*_COMPARISONS):
            left = Call(_COMPARISONS[token.value], (left, self._range()))
        return left

    def _range(self) -> Node:
        left = self._binary(0)
        while True:
            start = self._at
            negated = self._take("NOT") is not None
            found = self._range_of(left)
            if found is None:
                self._at = start
                return left
            left = Call("not", (found,)) if negated else found

    def _range_of(self, left: Node) -> Node | None:
        if self._take("BETWEEN"):
            low = self._binary(0)
            self._expect("AND")
            high = self._binary(0)
            return Call("and", (Call(">=", (left, low)), Call("<=", (left, high))))
        if self._take("IN"):
            if self._take("("):
                return Call("in", (left, *self._list_up_to(")")))
            return Call("in list", (left, self._binary(0)))
        token = self._take("LIKE", "ILIKE")
        if token is None:
            return None
        pattern = self._binary(0)
        escape = self._binary(0) if self._take("ESCAPE") else Constant(None)
        return Call(token.value.lower(), (left, pattern, escape))

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while token := self._take(*_LEVELS[level]):
            name = "^" if token.value == "**" else token.value
            left = Call(name, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        if self._take("-"):
            inner = self._unary()
            if isinstance(inner, Constant) and isinstance(inner.value, int | float | Decimal):
                return Constant(-inner.value)
            return Call("negative", (inner,))
        if self._take("+"):
            return self._unary()
        return self._postfix()

    def _postfix(self) -> Node:
        found = self._primary()
        while self._take("::"):
            found = Cast(found, self._type())
        return found

    # -- primaries -----------------------------------------------------------------------------------------------

    def _primary(self) -> Node:
        token = self._next
        self._at += 1
        match token.kind:
            case "number":
                return Constant(_number(token.value))
            case "text":
                return Constant(token.value)
            case "quoted":
                return Column(token.value)
            case "word":
                return self._word(token)
            case "symbol" if token.value == "(":
                return self._parenthesis()
            case "symbol" if token.value == "[":
                return Call("array", tuple(self._list_up_to("]")))
        self._at -= 1
        self._fail("a value is expected")
        raise AssertionError

    def _parenthesis(self) -> Node:
        found = self._list_up_to(")")
        return found[0] if len(found) == 1 else Call("tuple", tuple(found))

    def _list_up_to(self, closing: str) -> list[Node]:
        found: list[Node] = []
        if self._take(closing):
            return found
        while True:
            found.append(self.disjunction())
            if self._take(closing):
                return found
            self._expect(",")

    def _word(self, token: Token) -> Node:
        word = token.value
        if word in _CONSTANTS:
            return Constant(_CONSTANTS[word])
        if word == "CASE":
            return self._case()
        if word == "INTERVAL":
            return self._interval()
        if word in _TYPED_TEXTS and self._next.kind == "text":
            self._at += 1
            return Cast(Constant(self._tokens[self._at - 1].value), word)
        if word == "ARRAY" and self._take("["):
            return Call("array", tuple(self._list_up_to("]")))
        if self._take("("):
            return self._call(word.lower())
        return Column(token.shown)

    def _case(self) -> Node:
        subject = None if self._next.shown.upper() == "WHEN" else self.disjunction()
        branches = []
        while self._take("WHEN"):
            condition = self.disjunction()
            self._expect("THEN")
            if subject is not None:
                condition = Call("=", (subject, condition))
            branches.append((condition, self.disjunction()))
        otherwise = self.disjunction() if self._take("ELSE") else Constant(None)
        self._expect("END")
        return Case(tuple(branches), otherwise)

    def _interval(self) -> Node:
        token = self._next
        if token.kind == "text":
            self._at += 1
            if self._next.kind == "word" and self._next.value not in ("AND", "OR", "THEN", "ELSE", "END", "WHEN", "AS"):
                return Call("interval", (Constant(token.value), Constant(self._unit())))
            return Call("interval", (Constant(token.value),))
        number = self._primary()
        return Call("interval", (number, Constant(self._unit())))

    def _unit(self) -> str:
        token = self._next
        if token.kind not in ("word", "text"):
            self._fail("a unit of time is expected")
        self._at += 1
        return token.value.lower()

    def _call(self, name: str) -> Node:
        if name in ("cast", "try_cast"):
            value = self.disjunction()
            self._expect("AS")
            return self._closed(Cast(value, self._type(), lenient=name == "try_cast"))
        if name == "extract":
            part = Constant(self._unit())
            self._expect("FROM")
            return self._closed(Call("extract", (part, self.disjunction())))
        if name == "trim" and (side := self._take("BOTH", "LEADING", "TRAILING")):
            return self._trim(side.value)
        if name in _AGGREGATES:
            return self._aggregate(name)
        arguments = [] if self._next.shown == ")" else [self.disjunction()]
        while self._take(",", "FROM", "FOR"):  # substring(x FROM 2 FOR 3) is substring(x, 2, 3)
            arguments.append(self.disjunction())
        return self._closed(Call(name, tuple(arguments)))

    def _trim(self, side: str) -> Node:
        name = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[side]
        what = None if self._next.shown.upper() == "FROM" else self.disjunction()
        self._expect("FROM")
        text = self.disjunction()
        return self._closed(Call(name, (text,) if what is None else (text, what)))

    def _aggregate(self, name: str) -> Node:
        name = "avg" if name == "mean" else name
        if self._take("*") or self._next.shown == ")":
            self._expect(")")
            return Aggregate(name, None)
        distinct = self._take("DISTINCT") is not None
        found = Aggregate(name, self.disjunction(), distinct)
        self._expect(")")
        return found

    def _closed(self, found: Node) -> Node:
        self._expect(")")
        return found

    def _type(self) -> str:
        """The words of a type, in upper case: `DECIMAL(12,2)`, `BIGINT[]`, `TIMESTAMP WITH TIME ZONE`."""
        token = self._next
        if token.kind != "word":
            self._fail("a type is expected")
        self._at += 1
        name = token.value
        if name == "DOUBLE":
            self._takes("PRECISION")
        if name == "TIMESTAMP" and self._takes("WITH", "TIME", "ZONE"):
            name = "TIMESTAMPTZ"
        if self._take("("):
            numbers = []
            while not self._take(")"):
                numbers.append(self._next.value)
                self._at += 1
                self._take(",")
            name = f"{name}({','.join(numbers)})"
        while self._take("["):
            self._expect("]")
            name += "[]"
        return name


def _number(text: str) -> object:
    """A whole number is an integer, one with an exponent a double, one with a point a decimal."""
    if "e" in text.lower():
        return float(text)
    return Decimal(text) if "." in text else int(text)
