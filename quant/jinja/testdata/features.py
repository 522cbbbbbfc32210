"""Feature cases: (name, template) or (name, template, variables). generate.py asks Jinja2 for the answers."""

CASES = []


def group(prefix, variables, *templates):
    for i, t in enumerate(templates):
        CASES.append((f"{prefix}-{i:02d}", t, variables))


def exprs(prefix, variables, text):
    """One case a line: each is an expression."""
    group(prefix, variables, *("{{ " + line.strip() + " }}" for line in text.strip().splitlines() if line.strip()))


V = {
    "s": "Hello, Wörld",
    "e": "",
    "n": 7,
    "f": 2.5,
    "t": True,
    "z": None,
    "xs": [3, 1, 2],
    "ws": ["b", "A", "c", "a"],
    "d": {"a": 1, "b": {"c": [1, 2, {"x": "y"}]}, "items": 5, "ключ": "значение"},
    "objs": [{"name": "Bob", "age": 3, "ok": True}, {"name": "alice", "age": 30}, {"name": "Carl", "age": 3, "ok": False}],
    "text": "  line one\n\tline two  \n\nlast  ",
    "quote": "it's \"q\" \\ \n\t\r\x00\x7f\xa0é\u200b\u2028😀",
}

# White space.
group(
    "space",
    {"xs": [1, 2, 3], "x": "v"},
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n   {% if true %}   \n  b\n   {% endif %}   \nc",
    "a {% if true %} b {% endif %} c",
    "a\n  {%- if true %}\n b\n  {%- endif %}\nc",
    "a\n  {% if true -%}\n b\n  {% endif -%}\n\n c",
    "a\n  {%- if true -%}\n b\n  {%- endif -%}\n c",
    "a\n  {%+ if true %}\n b\n  {%+ endif %}\n c",
    "a\n  {% if true +%}\n b\n  {% endif +%}\n c",
    "a  {{- x -}}  b\n {{ x }}\nc",
    "  {{ x }}\n\n{{ x }}\n",
    "\n\n{{ x }}\n\n\n",
    "a\r\nb\rc\n{% if true %}\r\nd{% endif %}",
    "a {# comment #} b\n  {# line #}\nc",
    "a\n  {#- c -#}  \n b {#+ c +#}\n c",
    "{# multi\nline #}\nx",
    "{% for x in xs %}\n  {{ x }}\n{% endfor %}\nend",
    "{% for x in xs -%}\n  {{ x }},\n{%- endfor %}\nend",
    "{% raw %}{{ x }} {% if %}{% endraw %} y",
    "a\n  {% raw %}\n {{ x }}\n  {% endraw %}\nb",
    "a  {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "\t{% if true %}x{% endif %}\n\t{% if true %}\n\ty{% endif %}",
    "x{% set a = 1 %}\n{% set b = 2 %}\n\n{{ a }}{{ b }}",
    "{{ x }}{% if true %}\n{% endif %}\n|",
    "{{-1}}|{{+1}}|{{ -1 }}",
    "{%if true%}x{%endif%}{%- if true%}y{%endif-%}",
    "a\n\x0b {% if true %}b{% endif %}",
    "{% set x %}\n  body\n  {% endset %}\n[{{ x }}]",
    "a\u00a0{%- if true %}b{% endif %}",
    "",
    "\n",
    "{{ '{{' }}{{ '%}' }}{% if '}}' %}ok{% endif %}",
    "{{ {'a': {'b': 1}}}}",
    "{ {% if true %}{ }{% endif %} # %",
    "{{ x }} {",
)

# Literals and their text.
exprs(
    "literal",
    V,
    r"""
1
-1
1_000
0x1F
0b101
0o17
00
1.5
1e3
1.5e-7
1_0.0_1
2.
1e16
123456789012345678901234567890
1e22
1e-4
1e-5
0.1 + 0.2
100.0
1e100
-0.0
true
True
none
None
false
'a' 'b' "c"
'a\nb\tc\\d\'e\"f'
'\x41\u00e9\U0001f600\101\0'
'\q\é\
x'
"é😀"
'\x4'
'\u12'
[]
[1, 'a', none, true, 2.0, [1], {'k': 'v'}, (1,), ()]
(1, 2)
(1)
1, 2
{'a': 1, 2: 'b', none: true, (1, 2): [3]}
{1: 'a', 1.0: 'b', true: 'c'}
{'a': 1, 'a': 2}
{[1]: 2}
s
quote
[quote]
[s, "it's", 'say "x"', 'both \' "']
d
{'x': undefined_name}
[undefined_name]
z
xs
d.items()
d.keys()
d.values()
range(5)
range(1, 10, 3)
range(5)|list
range(10, 0, -3)|list
range(3)[1]
range(10)[2:8:2]|list
range(10)[::-1]
1.0
1/3
10/2
7//2
-7//2
7 % 3
-7 % 3
7 % -3
-7.5 % 2
7.5 // 2
-7.5 // 2
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
1 + 2 * 3 - 4 / 2
(1 + 2) * 3
9999999999999999999 + 1
3037000500 * 3037000500
2 ** 64
5 // 0
5 % 0
5 / 0
1.0 / 0
0 ** -1
'a' * 3
3 * 'ab'
[1] * 2
(1, 2) * 2
'a' * -1
'a' * 1.5
[1] + [2]
(1,) + (2,)
[1] + (2,)
'a' + 'b'
'a' + 1
1 + 'a'
'a' - 'b'
'a' + none
[1] + 'a'
'a' ~ 1 ~ none ~ true ~ [1]
1 ~ 2
+true
-true
true + true
-'a'
not 1
not not 1
not undefined_name
1 if true else 2
1 if false else 2
1 if false
(1 if false) is defined
1 if false else 2 if false else 3
'x' if s else 'y'
undefined_name
undefined_name or 'default'
0 or '' or none or []
1 and 2
0 and 2
'' and 1 or 2
""",
)

# Comparison and membership.
exprs(
    "compare",
    V,
    r"""
1 == 1.0
1 == true
'1' == 1
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
none == none
none == false
1 < 2
1 < 2 < 3
1 < 3 < 2
1 < 2.5
'a' < 'b'
'a' < 'B'
'a' < 1
1 < none
none < none
[1, 2] < [1, 3]
[1] < [1, 0]
[1, 'a'] < [1, 2]
{} < {}
true < 2
1 != 2
1 >= 1
2 <= 1
'a' in 'abc'
'' in 'abc'
1 in 'abc'
1 in [1, 2]
1.0 in [1]
'a' in {'a': 1}
'a' not in {'a': 1}
[1] in [[1]]
[1] in {'a': 1}
1 in 5
1 in none
'x' in undefined_name
1 in range(3)
5 in range(3)
(1, 2) in [(1, 2)]
('a', 1) in d.items()
undefined_name == undefined_name
undefined_name == none
undefined_name != 1
undefined_name < 1
1 < undefined_name
undefined_name + 1
'a' ~ undefined_name
'a' + undefined_name
9007199254740993 == 9007199254740992.0
1 == 1 == 1
not 1 == 2
not 1 in [1]
range(3) == range(3)
'é' == 'é'
""",
)

# Attributes, items, slices.
exprs(
    "access",
    V,
    r"""
d.a
d['a']
d.b.c[2].x
d['b']['c'][0]
d.items is callable
d['items']
d.missing
d['missing']
d.missing.deeper
d['missing']['deeper']
d.ключ
d.get('a')
d.get('q')
d.get('q', 'def')
d.get(key='a')
xs[0]
xs[-1]
xs[5]
xs[-5]
xs.0
xs['0']
xs[true]
xs[1.0]
xs['a']
d.b.c.0
s[0]
s[-1]
s[100]
s[8]
s[0:5]
s[7:]
s[:-3]
s[::-1]
s[::2]
s[-3:]
s[100:]
s[5:2]
xs[1:]
xs[:1]
xs[::-1]
xs[-2:]
xs[:]
xs[::0]
xs[10:0:-1]
xs['a':]
xs[none:2]
(1, 2, 3)[1:]
(1, 2, 3)[::-1]
d[1:2]
z[1:2]
n[1:2]
undefined_name[1:]
undefined_name.a
undefined_name['a']
undefined_name()
n.real
f.is_integer()
n.foo
none.foo
none['foo']
s.upper is callable
s.nothing
s['upper']()
xs.append(1)
xs.append is defined
xs.pop()
xs.count(1)
xs.index(2)
xs.index(99)
d.pop('a')
d.update({'a': 2})
d.copy()
d.clear
s.__class__
d.__class__
d.__class__.__mro__
xs['__len__']
{'__class__': 1}['__class__']
{'_x': 1}._x
d['a', 'b']
d[[1]]
s['a']
xs[9223372036854775808]
{'a': {1: 'int'}}.a.1
{1: 'x'}[1.0]
{none: 'x'}[none]
range(3).start
range(3).stop
d | attr('a')
d | attr('items') is callable
s | attr('upper') is defined
undefined_name | attr('x')
""",
)

# Methods of str.
exprs(
    "str",
    V,
    r"""
s.upper()
s.lower()
'straße ŉ ﬁ ǆ'.upper()
'ΑΣ ΟΔΟΣ. Σ ΑΣ\'Α İ'.lower()
'hELLO wORLD ß'.capitalize()
'hello wORLD it\'s ok'.title()
'ǆungla ﬁn'.title()
'aBc ß'.swapcase()
text.strip()
text.lstrip()
text.rstrip()
'xxaxx'.strip('x')
'abcba'.lstrip('ab')
'abcba'.rstrip('ab')
'\x1c\u00a0a\u3000'.strip()
'a b'.strip(none)
'a'.strip(1)
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 1)
'  a  b c '.split()
'  a  b c '.split(none, 1)
'  a  b c '.rsplit(none, 1)
'  a  b c '.split(maxsplit=1)
'a--b--c'.split('--')
'abc'.split('')
'abc'.split(1)
''.split()
''.split(',')
'a\nb\r\nc\u2028d\x0be'.splitlines()
'a\nb\n'.splitlines(true)
'a\nb\n'.splitlines(keepends=true)
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('=')
'abc'.rpartition('=')
'abc'.startswith('a')
'abc'.startswith(('x', 'a'))
'abc'.startswith('b', 1)
'abc'.startswith('b', 1, 1)
'abc'.startswith('', 5)
'abc'.startswith(1)
'abc'.startswith(['a'])
'abc'.endswith('c')
'abc'.endswith('b', 0, 2)
'banana'.find('na')
'banana'.find('na', 3)
'banana'.rfind('na')
'banana'.find('x')
'banana'.index('x')
'banana'.index('n')
'wörld'.find('l')
'banana'.count('a')
'banana'.count('an', 2)
'banana'.count('')
'banana'.replace('a', 'o')
'banana'.replace('a', 'o', 2)
'banana'.replace('', '-')
'banana'.replace('a', 1)
'banana'.replace('a')
','.join(['a', 'b'])
','.join('abc')
','.join([1])
','.join({'a': 1, 'b': 2})
''.join([])
'ab'.center(7)
'ab'.center(7, '*')
'abc'.center(6, '*')
'ab'.ljust(5) ~ '|'
'ab'.rjust(5, '0')
'-42'.zfill(6)
'42'.zfill(5)
'é'.rjust(3)
'ab'.center(7, '**')
'abc'.islower()
'ABC1'.isupper()
'1'.isupper()
'123'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isnumeric()
''.isdigit()
'abc'.isalpha()
'abc1'.isalnum()
' \t'.isspace()
'Hello World'.istitle()
'Hello world'.istitle()
'a_1'.isidentifier()
'1a'.isidentifier()
'aé'.isascii()
'a\n'.isprintable()
'abc'.removeprefix('a')
'abc'.removesuffix('c')
'abc'.removesuffix('x')
'{} and {}'.format(1, 'b')
'{0} {1} {0}'.format('a', 'b')
'{x} {y.a} {z[0]}'.format(x=1, y=d, z=xs)
'{{}} {}'.format(1)
'{:>5}|{:<5}|{:^5}|{:*^5}'.format('a', 'b', 'c', 'd')
'{:5}|{:5}'.format('a', 1)
'{:05d} {:+d} {:x} {:X} {:o} {:b} {:#x}'.format(42, 42, 255, 255, 8, 5, 255)
'{:,} {:_} {:,.2f}'.format(1234567, 1234567, 1234567.891)
'{:.2f} {:.0f} {:e} {:g} {:g} {:%} {:.1%}'.format(3.14159, 2.5, 12345.678, 0.00001, 1e20, 0.25, 0.125)
'{!r} {!s}'.format('a', 'b')
'{:{}}|'.format('a', 5)
'{:{w}}|'.format('a', w=4)
'{} {}'.format(1)
'{x}'.format()
'{'.format()
'}'.format()
'{:d}'.format('a')
'{:s}'.format(1)
'{:.1}'.format('abc')
'{} {} {}'.format(none, true, [1])
'{:>6}'.format(none)
'{:6}|'.format(true)
'{:.3}'.format(3.14159)
'{}'.format(1.0)
'{0.__class__}'.format(1)
'{a}'.format_map({'a': 1})
'%s and %d' % ('a', 5)
'%s' % 'x'
'%s' % 5
'%s %s' % ('a',)
'%s' % ('a', 'b')
'%(a)s %(b)s' % {'a': 1, 'b': 2}
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%x %X %o %#x' % (255, 255, 8, 255)
'%f %.2f %e %g %G' % (3.14159, 3.14159, 12345.678, 0.0001, 1e-10)
'%5.1f|%-8s|%8s' % (3.14159, 'a', 'b')
'%r %s %%' % ('a', none)
'%c%c' % ('a', 98)
'%d' % 'a'
'%d' % 3.7
'%q' % 1
'%' % 1
'%s' % [1, 2]
'%*d' % (5, 42)
'%s' % none
'abc' % 1
'abc'.nosuch()
'abc'.upper(1)
'ab' 'cd'.upper()
s.split(', ')[1].upper()[0]
""",
)

# Filters.
exprs(
    "filter",
    V,
    r"""
s|upper
s|lower
'hELLO'|capitalize
"it's a-b (c) d_e"|title
text|trim
'xxaxx'|trim('x')
5|trim
s|length
xs|length
d|count
5|length
none|length
undefined_name|length
range(4)|length
xs|map('string')|length
xs|first
xs|last
[]|first
[]|last
''|first
s|first
s|last
d|first
5|first
xs|map('string')|first
xs|map('string')|last
xs|join
xs|join(', ')
ws|join('-')
objs|join(', ', attribute='name')
[none, true, 1.5, 'x']|join('|')
'abc'|join('.')
undefined_name|join
5|join
xs|sort
ws|sort
ws|sort(case_sensitive=true)
ws|sort(reverse=true)
xs|sort(true)
objs|sort(attribute='age')|map(attribute='name')|list
objs|sort(attribute='age,name')|map(attribute='name')|list
objs|sort(attribute='name', reverse=true)|map(attribute='name')|join(' ')
[1, 'a']|sort
[none, 1]|sort
'hello'|sort
{'b': 1, 'a': 2}|sort
xs|reverse|list
s|reverse
range(3)|reverse|list
d|reverse|list
5|reverse
xs|map('string')|reverse
xs|min
xs|max
[]|min
ws|min
ws|max
ws|min(case_sensitive=true)
objs|max(attribute='age')
xs|sum
objs|sum(attribute='age')
[]|sum
['a']|sum
[[1], [2]]|sum(start=[])
xs|list
s|list
d|list
undefined_name|list
5|list
d|items|list
'x'|items|list
undefined_name|items|list
d.items()|list
{'b': 1, 'A': 2, 'c': 0}|dictsort
{'b': 1, 'A': 2, 'c': 0}|dictsort(true)
{'b': 1, 'A': 2, 'c': 0}|dictsort(by='value')
{'b': 1, 'A': 2, 'c': 0}|dictsort(false, 'value', true)
{'b': 1}|dictsort(by='x')
xs|dictsort
[1, 2, 1, 3, 2]|unique|list
['a', 'A', 'b']|unique|list
['a', 'A', 'b']|unique(true)|list
objs|unique(attribute='age')|map(attribute='name')|list
[[1]]|unique|list
objs|map(attribute='name')|list
objs|map(attribute='nope')|list
objs|map(attribute='nope', default='x')|list
objs|map(attribute='name', nope=1)|list
objs|map('upper')|list
ws|map('upper')|join
ws|map('replace', 'a', 'z')|list
ws|map('nofilter')|list
ws|map()|list
objs|selectattr('ok')|map(attribute='name')|list
objs|rejectattr('ok')|map(attribute='name')|list
objs|selectattr('age', 'equalto', 3)|map(attribute='name')|list
objs|selectattr('age', '>', 3)|map(attribute='name')|list
objs|selectattr('ok', 'defined')|list|length
objs|rejectattr('name', 'in', ['Bob'])|map(attribute='name')|list
objs|selectattr('age', 'nosuch')|list
objs|selectattr()|list
xs|select('odd')|list
xs|reject('odd')|list
xs|select|list
[0, 1, '', 'a', none]|select|list
xs|select('>', 1)|list
xs|select('in', [1, 2])|list
none|select|list
5|select|list
objs|groupby('age')
objs|groupby('age')|map(attribute='grouper')|list
objs|groupby('ok', default='none')|map('first')|list
(objs|groupby('age'))[0].list|length
xs|batch(2)|list
xs|batch(2, 'x')|list
range(7)|slice(3)|list
range(7)|slice(3, 'x')|list
undefined_name|default
undefined_name|default('x')
none|default('x')
none|default('x', true)
''|default('x', true)
0|d('x', boolean=true)
d.nope|default('x')
d.nope.deeper|default('x')
s|replace('l', 'L')
s|replace('l', 'L', 1)
5|replace('5', '6')
s|replace('l', 1)
s|replace('l')
s|replace(old='l', new='L', count=2)
text|indent
text|indent(2, true)
text|indent(2, first=true, blank=true)
'a\nb'|indent(width=1)
'a\nb\n'|indent('> ')
'a\n\nb'|indent(4)
''|indent
5|indent
s|truncate(5)
s|truncate(8, true)
s|truncate(8, false, '!')
'one two three four'|truncate(10)
'one two three four'|truncate(10, leeway=0)
s|center(20)
'a b  c-d'|wordcount
'%s-%s'|format(1, 'a')
'%(a)s'|format(a=1)
'%s'|format
'5'|int
'5.7'|int
'abc'|int
'abc'|int(9)
'abc'|int(default=3)
'0x1F'|int(0, 16)
'ff'|int(base=16)
'1_000'|int
' 42 '|int
'-7'|int
5.9|int
-5.9|int
true|int
none|int
[]|int
'1e3'|int
''|int
undefined_name|int
'5'|float
'x'|float
'x'|float(1.5)
'1e3'|float
'inf'|float
'nan'|float
5|float
none|float
undefined_name|float
2.5|round
3.5|round
2.567|round(2)
2.5|round|int
7|round
1234|round(-2)
1250|round(-2)
2.3|round(method='ceil')
2.7|round(0, 'floor')
2.345|round(2, 'ceil')
2.5|round(method='x')
1.005|round(2)
'a'|round
-0.4|round
-5|abs
5.5|abs
'a'|abs
5|string
none|string
[1, 'a']|string
undefined_name|string
'<a href="x">\'&'|escape
'<b>'|e|e
'<b>'|escape ~ '<i>'
('<b>'|safe) + '<i>'
'<i>' + ('<b>'|safe)
'<b>'|safe
('<b>'|safe) ~ '<i>'
['<b>'|safe]
('<b>'|safe)|upper is escaped
('<b>'|safe).upper() + '&'
('<b>%s</b>'|safe) % '<i>'
('<b>{}</b>'|safe).format('<i>')
(','|safe).join(['<a>', '<b>'])
('a<b>c'|safe).split('<')
('a'|safe) * 2 + '<'
('a'|safe).replace('a', '<') + '>'
('<'|safe)|replace('<', '>')
['<', '>'|safe]|join('&')
('<b>'|safe)[0] + '<'
('<'|safe) + 1
('a'|safe) == 'a'
'<'|forceescape
(('<'|safe)|forceescape) ~ ''
('<'|safe)|string is escaped
('<'|safe)|length
('<'|safe)|tojson
('a\nb'|safe)|indent(2) + '<'
5|safe
1|nosuchfilter
s|upper|lower|title
-1|abs
(-1)|abs
xs|map('string')|map('length')|list
xs|map('string') is iterable
xs|map('string') is sequence
xs|tojson|length
""",
)

# tojson.
exprs(
    "json",
    dict(V, deep={"z": [1, 2.0, {"a": None, "ü": "<>&'"}], "a": [], "b": {}, "t": (1, 2) and [True, False]}),
    r"""
deep|tojson
deep|tojson(indent=2)
deep|tojson(indent=0)
deep|tojson(indent='\t')
deep|tojson(indent=4, sort_keys=true)
deep|tojson(sort_keys=true)
deep|tojson(ensure_ascii=true)
deep|tojson(separators=(',', ':'))
deep|tojson(separators=[', ', ' : '])
deep|tojson(indent=2, separators=(', ', ': '))
deep|tojson(true, 1)
quote|tojson
quote|tojson(ensure_ascii=true)
"<script>'&</script>"|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
{1: 2, 'a': 3}|tojson(sort_keys=true)
(1, 2)|tojson
()|tojson
[]|tojson(indent=2)
[[]]|tojson(indent=2)
1e16|tojson
1e-7|tojson
1.0|tojson
123456789012345678901|tojson
('inf'|float)|tojson
('nan'|float)|tojson
undefined_name|tojson
[undefined_name]|tojson
range(3)|tojson
d.items()|tojson
s.upper|tojson
namespace(a=1)|tojson
true|tojson
none|tojson
d|tojson|length
d|tojson(nope=1)
d|tojson(indent='--')
d|tojson(indent=none)
d|tojson(indent=true)
d|tojson(indent=-1)
d|tojson(indent=1.5)
""",
)

# Tests.
exprs(
    "test",
    V,
    r"""
s is string
5 is string
('x'|safe) is string
undefined_name is defined
undefined_name is not defined
s is defined
d.a is defined
d.q is defined
d.q.r is defined
none is defined
undefined_name is undefined
none is none
0 is none
undefined_name is none
d is mapping
xs is mapping
namespace() is mapping
xs is iterable
s is iterable
5 is iterable
none is iterable
undefined_name is iterable
range(2) is iterable
namespace() is iterable
xs is sequence
s is sequence
d is sequence
5 is sequence
d.items() is sequence
d.items() is iterable
undefined_name is sequence
range(2) is sequence
true is boolean
1 is boolean
true is true
1 is true
false is false
0 is false
none is false
1 is number
1.5 is number
true is number
'1' is number
1 is integer
true is integer
1.0 is integer
1.0 is float
1 is float
s.upper is callable
range is callable
s is callable
'a' is lower
'A' is lower
'A' is upper
5 is lower
3 is odd
4 is even
'a' is odd
9 is divisibleby 3
9 is divisibleby(4)
1 is eq 1
1 is equalto(2)
1 is ne 2
2 is gt 1
2 is greaterthan 3
1 is lt 2
1 is le 1
1 is ge 2
1 is lessthan 'a'
1 is in [1, 2]
'x' is in 'xyz'
3 is not in [1, 2]
1 is sameas 1
1 is sameas true
none is sameas none
'upper' is filter
'nope' is filter
'odd' is test
'<'|safe is escaped
'<' is escaped
1 is nosuchtest
s is string and n is number
s is string or false
not s is string
s is not string
n is defined and n > 5
(1 is defined) is true
1 is eq(1) is true
s is string if true else 1
-1 is number
1 + 1 is eq 2
""",
)

# Statements.
group(
    "stmt",
    V,
    "{% if n > 5 %}big{% elif n > 2 %}mid{% else %}small{% endif %}",
    "{% if undefined_name %}x{% elif z %}y{% else %}w{% endif %}",
    "{% if [] or {} or '' or 0 or 0.0 or none %}x{% else %}falsy{% endif %}",
    "{% if xs: %}x{% endif %}",
    "{% if 1, 0 %}tuple{% endif %}",
    "{% if n == 7 and (s or z) %}a{% endif %}",
    "{% for x in xs %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem.foo }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in xs %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in xs %}{{ loop }}{% endfor %}",
    "{% for x in xs %}{{ loop.nothing }}{{ loop['index'] }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}",
    "{% for k, v in d|items %}{{ loop.length }}{{ k }};{% endfor %}",
    "{% for a, b in [[1, 2], (3, 4), 'xy'] %}{{ a }}{{ b }};{% endfor %}",
    "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for (a, b) in [[1, 2]] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "{% for a, b in [[1]] %}{{ a }}{% endfor %}",
    "{% for a, b in [1] %}{{ a }}{% endfor %}",
    "{% for x in [] %}x{% else %}empty{% endfor %}",
    "{% for x in xs %}x{% else %}empty{% endfor %}",
    "{% for x in xs %}{% continue %}{% else %}empty{% endfor %}",
    "{% for x in xs %}{% break %}{% else %}empty{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in undefined_name %}x{% else %}empty{% endfor %}",
    "{% for x in none %}x{% endfor %}",
    "{% for x in 5 %}x{% endfor %}",
    "{% for c in s %}{{ c }}.{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.length }};{% else %}none{% endfor %}",
    "{% for x in xs if x > 10 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() if v is number %}{{ k }}{{ loop.previtem }}{% endfor %}",
    "{% for x in xs if loop.index > 1 %}{{ x }}{% endfor %}",
    "{% set ns = namespace(go=true) %}{% for x in xs if ns.go %}{{ x }}{% set ns.go = false %}{% endfor %}",
    "{% for x in xs|sort %}{% for y in xs if y > x %}{{ x }}{{ y }}{{ loop.index }};{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in xs %}{% for y in xs %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }}{% endfor %}|{% endfor %}",
    "{% for x in xs %}{% for y in [] %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% break %}",
    "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in xs recursive %}{{ x }}{% endfor %}",
    "{% for x in [{'n': 1, 'c': [{'n': 2, 'c': [{'n': 3}]}]}, {'n': 4}] recursive %}{{ loop.depth }}{{ x.n }}[{{ loop(x.c) if x.c }}]{% endfor %}",
    "{% for x in xs %}{{ loop(xs) }}{% endfor %}",
    "{% for x in xs|map('string') %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in xs|map('string') %}{{ loop.length }}{{ x }}{{ loop.revindex }}{% endfor %}",
    "{% for x in range(3) %}{{ x }}{% endfor %}",
    "{% for loop in xs %}{% endfor %}",
    "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    "{% for i, x in enumerate(xs) %}{% endfor %}",
    "{% set a = 1 %}{{ a }}{% set a = a + 1 %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = b, a %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a, b = 1 %}",
    "{% set a %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a | upper | trim %} x{{ n }}y {% endset %}[{{ a }}]",
    "{% set a | replace('x', 'z') %}xx{% endset %}{{ a }}",
    "{% set true = 1 %}",
    "{% set a.b = 1 %}",
    "{% set d.a = 1 %}",
    "{% set xs[0] = 1 %}",
    "{% set 'a' = 1 %}",
    "{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns['a'] }}{{ ns }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace() %}{% for x in xs %}{% set ns.last = x %}{% endfor %}{{ ns.last }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace(_a=1) %}",
    "{% set ns = namespace() %}{% set ns._a = 1 %}",
    "{% set ns = namespace(a=1) %}{{ ns.items }}{{ 'a' in ns }}",
    "{% set ns = namespace() %}{% set ns.x %}block{% endset %}{{ ns.x }}",
    "{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}{{ dict([('a', 1)]) }}{{ dict() }}",
    "{{ dict(1) }}",
    "{{ dict([1]) }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% set a = 5 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% filter upper %}abc{{ n }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aXa{% endfilter %}",
    "{% filter indent(2, true) %}a\nb{% endfilter %}",
    "{% filter nosuch %}x{% endfilter %}",
    "{% print 1, 'a' %}",
    "{% generation %}gen {{ n }}{% endgeneration %}|",
    "{% for x in xs %}{% generation %}\n  {{ x }}{{ loop.index }}\n{% endgeneration %}{% endfor %}",
    "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}",
    "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% generation %}x",
    "{% do 1 %}",
    "{% nosuch %}",
    "{% endif %}",
    "{% if true %}",
    "{% for x in xs %}{% endif %}",
    "{% if %}x{% endif %}",
    "{{ }}",
    "{{ 1 2 }}",
    "{{ 1",
    "{% if true",
    "{# open",
    "{% raw %} open",
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ [1} }}",
    "{{ 'open }}",
    "{{ a.b. }}",
    "{{ a ! b }}",
    "{{ a $ }}",
    "{{ x is }}",
    "{{ x | }}",
    "{{ 1 is defined is defined }}",
    "{{ f(a=1, 2) }}",
    "{{ f(**a, b) }}",
    "{{ dict(a=1, a=2) }}",
    "{{ [1, 2,] }}{{ {'a': 1,} }}{{ (1,) }}{{ dict(a=1,) }}",
    "{{ [,] }}",
    "{{ {1} }}",
    "{% set x = %}",
    "{% for in xs %}{% endfor %}",
    "{% for x xs %}{% endfor %}",
    "{% if true %}{{ 1|nosuch }}{% endif %}",
    "{% if false %}{{ 1|nosuch }}{% endif %}ok",
    "{% if false %}{{ 1 is nosuch }}{% endif %}ok",
    "{{ 1|nosuch if false else 2 }}",
    "{% if false %}{% for x in xs %}{{ 1|nosuch }}{% endfor %}{% endif %}ok",
    "{% macro m() %}{{ 1|nosuch }}{% endmacro %}ok",
    "{{ raise_exception('stop') }}",
    "{% if false %}{{ raise_exception('stop') }}{% endif %}ok",
    "{{ range(100001) }}",
    "{{ range(1, 2, 0) }}",
    "{{ range('a') }}",
    "{{ range() }}",
    "{{ range(100000)|length }}",
    "{{ nosuch(1) }}",
    "{{ 5() }}",
    "{{ 'a'() }}",
    "{{ d() }}",
    "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "{% if true %}{% set fresh = 2 %}{% endif %}{{ fresh }}",
    "{% if false %}{% set n = 2 %}{% endif %}{{ n }}",
    "{% for x in xs %}{% set a = x %}{% endfor %}{{ a }}",
    "{% set a = 0 %}{% for x in xs %}{% set a = a + x %}{{ a }}{% endfor %}{{ a }}",
    "{% for x in xs %}{{ q }}{% set q = x %}{{ q }}{% endfor %}",
    "{% for x in xs %}{% if x == 3 %}{% set q = 'set' %}{% endif %}{{ q }};{% endfor %}",
    "{{ n }}{% set n = 1 %}{{ n }}",
    "{% for x in xs %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}",
    "{% for x in xs %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 'out' %}{% for x in xs %}{{ x }}{% endfor %}{{ x }}",
    "{% set range = 5 %}{{ range }}",
    "{{ namespace is defined }}{{ raise_exception is callable }}",
    "{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %Y %B %A %a %j %I %p %y %f') }}",
    "{{ strftime_now('%-d %e %-m|%F %T|%D|%U %W %w %u|%c|%x %X|%%|%G-%V') }}",
    "{{ strftime_now() }}",
    "{{ strftime_now(5) }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
    "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c",
    "{% set list = xs|list %}{{ list[0] }}",
    "{{ ['a', 'b'][loop] }}",
    "{{ caller }}{{ loop }}{{ varargs }}",
    "line1\nline2 {{ undefined_name.x }}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{% set x = xs|map('string') %}{{ x|list }}{{ x|list }}",
    "{% set x = xs|select('odd') %}{% for a in x %}{{ a }}{% endfor %}{% for a in x %}{{ a }}{% endfor %}",
    "{% set x = xs|reject('odd') %}{{ 2 in x }}{{ 2 in x }}",
    "{% set a = [] %}{% for x in xs %}{% set a = a + [x] %}{% endfor %}{{ a }}",
    "{% set ns = namespace(a=[]) %}{% for x in xs %}{% set ns.a = ns.a + [{'i': x}] %}{% endfor %}{{ ns.a }}",
    "{{ objs|map(attribute='name')|map('lower')|sort|join(',') }}",
    "{{ (xs|sort)[0] }}{{ xs|sort|first }}",
    "{{- 'x' -}}\n\n{{- 'y' }}",
    "{{ d.b.c|length }}{{ d['b'].c|last }}",
    "{%- for m in objs[::-1] %}{% set i = (objs|length - 1) - loop.index0 %}{{ i }}{{ m.name }}{% endfor %}",
    "{{ '\\n'.join(['a', 'b']) }}",
    "{{ 'a' if false }}|{{ ('a' if false) ~ 'b' }}",
    "{{ 'a' if n is defined and n is number else 'b' }}",
    "{% set x = {'role': 'user'} %}{{ x.role }}{{ x['role'] == 'user' }}{{ 'role' in x }}",
)

# Macros and calls.
group(
    "macro",
    V,
    "{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='y') }}{{ m(b=1, a=2) }}",
    "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}{{ m(1)|upper }}",
    "{% macro m(a) %}[{{ a.x }}]{% endmacro %}{{ m() }}",
    "{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}x{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(4) }}",
    "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]",
    "{%- macro m() -%}\n  x\n{%- endmacro -%}\n[{{ m() }}]",
    "{% macro m() %}{{ n }}{% endmacro %}{% set n = 99 %}{{ m() }}",
    "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m() %}{% set q = 1 %}{{ q }}{% endmacro %}{{ m() }}{{ q }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% for x in xs %}{{ m() }}{% endfor %}|",
    "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m() %}{{ loop.index }}{% endmacro %}{% for x in xs %}{{ m() }}{% endfor %}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body {{ n }}{% endcall %}",
    "{% macro m() %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(y) m() %}[{{ y }}]{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}",
    "{% macro m(caller=none) %}{{ caller is none }}{% endmacro %}{{ m() }}",
    "{% call nosuch() %}x{% endcall %}",
    "{% call 5 %}x{% endcall %}",
    "{% macro a(x) %}A{{ b(x) }}{% endmacro %}{% macro b(x) %}B{{ x }}{% endmacro %}{{ a(1) }}",
    "{{ m }}{% macro m() %}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}",
    "{% macro m(a, b) %}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 1, 'b': 2}) }}{{ m(1, *[2]) }}{{ m(*[1], b=3) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(*5) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(**5) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(a=1, **{'a': 2}) }}",
    "{% macro m(a, a) %}{% endmacro %}",
    "{% macro m() %}{% set ns.x = 5 %}{% endmacro %}{% set ns = namespace(x=1) %}{{ m() }}{{ ns.x }}",
    "{% macro m(ns) %}{% set ns.x = 5 %}{% endmacro %}{% set o = namespace(x=1) %}{{ m(o) }}{{ o.x }}",
    "{% macro m(xs) %}{% for x in xs %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}{% endmacro %}{{ m([1, 2]) }}{{ m('ab') }}",
    "{% macro m(v) %}{% if v is mapping %}{{ '{' }}{% for k, w in v|items %}{{ k }}:{{ m(w) }}{% if not loop.last %},{% endif %}{% endfor %}{{ '}' }}{% else %}{{ v }}{% endif %}{% endmacro %}{{ m(d) }}",
    "{% macro m() %}{{ '<' }}{% endmacro %}{{ m() is string }}{{ m() is escaped }}",
    "{% if true %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}",
    "{% macro m(a='é', b=[1, 2]) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}",
    "{% set m = 5 %}{% macro m() %}x{% endmacro %}{{ m() }}",
    "{% set f = 'abc'.upper %}{{ f() }}",
    "{% macro outer() %}{% macro inner() %}I{{ n }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}",
    "{% set ns = namespace() %}{% for x in xs %}{% if loop.first %}{% macro m() %}{{ x }}{% endmacro %}{% set ns.m = m %}{% endif %}{{ ns.m() }}{% endfor %}",
)
