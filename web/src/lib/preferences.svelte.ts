/** What this browser remembers of how one likes it: theme, language, notifications. Nothing of it leaves the browser. */

export type Theme = "system" | "light" | "dark";
export type Language = "en" | "de";

const KEY = "parley.preferences";

interface Stored {
  theme: Theme;
  language: Language;
  desktopNotifications: boolean;
}

function browserLanguage(): Language {
  const found = navigator.languages.map(tag => tag.slice(0, 2).toLowerCase()).find(tag => tag === "en" || tag === "de");
  return found === "de" ? "de" : "en";
}

function stored(): Partial<Stored> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Partial<Stored>) : {};
  } catch {
    // Not readable, or no storage at all: as if there were nothing.
    return {};
  }
}

class Preferences {
  #values = $state<Stored>({ theme: "system", language: browserLanguage(), desktopNotifications: false });

  constructor() {
    this.#take(stored());
    // Another tab has changed them.
    addEventListener("storage", event => event.key === KEY && this.#take(stored()));
  }

  get theme(): Theme {
    return this.#values.theme;
  }

  set theme(theme: Theme) {
    this.#keep({ theme });
  }

  get language(): Language {
    return this.#values.language;
  }

  set language(language: Language) {
    this.#keep({ language });
  }

  get desktopNotifications(): boolean {
    return this.#values.desktopNotifications;
  }

  set desktopNotifications(on: boolean) {
    this.#keep({ desktopNotifications: on });
  }

  #keep(change: Partial<Stored>): void {
    this.#take(change);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // A private window may refuse; the choice holds for this page.
    }
  }

  #take(found: Partial<Stored>): void {
    const { theme, language, desktopNotifications } = found;
    if (theme === "system" || theme === "light" || theme === "dark") this.#values.theme = theme;
    if (language === "en" || language === "de") this.#values.language = language;
    if (typeof desktopNotifications === "boolean") this.#values.desktopNotifications = desktopNotifications;
    if (this.#values.theme === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", this.#values.theme);
    document.documentElement.lang = this.#values.language;
  }
}

export const preferences = new Preferences();
