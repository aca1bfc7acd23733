/** Markdown as messages have it, made into nodes that are safe to show. Loaded when the first message needs it. */

import DOMPurify from "dompurify";
import MarkdownIt, { type StateInline } from "markdown-it";

// As the server finds mentions: not within an address, nor another name.
const MENTION = /^@(\p{L}|\p{N}|_)[\p{L}\p{N}_.-]{0,31}/u;
const BEFORE = /[\p{L}\p{N}_@./-]$/u;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true, typographer: false }).disable(["image"]);

markdown.linkify.set({ fuzzyEmail: false });
markdown.validateLink = address => /^(https?:|mailto:)/i.test(address.trim());

markdown.inline.ruler.before("link", "mention", (state: StateInline, silent: boolean): boolean => {
  if (state.src.charCodeAt(state.pos) !== 0x40 || state.linkLevel > 0) return false;
  if (BEFORE.test(state.src.slice(0, state.pos))) return false;
  const name = MENTION.exec(state.src.slice(state.pos))?.[0].replace(/[.-]+$/, "");
  if (name === undefined || name.length < 2) return false;
  if (!silent) {
    const token = state.push("mention", "span", 0);
    token.content = name;
  }
  state.pos += name.length;
  return true;
});
markdown.renderer.rules["mention"] = (tokens, at) => {
  const name = markdown.utils.escapeHtml(tokens[at]?.content ?? "");
  return `<span class="mention" data-name="${name.slice(1)}">${name}</span>`;
};

// A link leads out of the page, in a tab of its own that knows nothing of this one.
markdown.renderer.rules["link_open"] = (tokens, at, options, _, self) => {
  tokens[at]?.attrSet("target", "_blank");
  tokens[at]?.attrSet("rel", "noopener noreferrer nofollow");
  return self.renderToken(tokens, at, options);
};

// Headings of a message are none of the page.
for (const [name, tag] of [
  ["heading_open", '<p class="heading">'],
  ["heading_close", "</p>"],
] as const) {
  markdown.renderer.rules[name] = () => tag;
}
// Columns are aligned by a style attribute, which the page's policy refuses.
for (const cell of ["th", "td"]) markdown.renderer.rules[`${cell}_open`] = () => `<${cell}>`;
// Wide tables scroll by themselves.
markdown.renderer.rules["table_open"] = () => '<div class="table"><table>';
markdown.renderer.rules["table_close"] = () => "</table></div>";

const ALLOWED_TAGS = [
  ...["p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span", "div"],
  ...["table", "thead", "tbody", "tr", "th", "td"],
];
const ALLOWED_ATTR = ["href", "target", "rel", "class", "data-name", "start"];

const REMEMBERED = 400;
const made = new Map<string, DocumentFragment>();

/** Nodes for a body; each call gives nodes of its own. */
export function render(body: string): DocumentFragment {
  let found = made.get(body);
  if (found === undefined) {
    found = DOMPurify.sanitize(markdown.render(body), { ALLOWED_TAGS, ALLOWED_ATTR, RETURN_DOM_FRAGMENT: true });
    if (made.size >= REMEMBERED) made.delete(made.keys().next().value ?? "");
    made.set(body, found);
  }
  return document.importNode(found, true);
}

// Patterns are compiled when they are first used, and no message shall wait for that.
render("**a** `b` https://example.org");
