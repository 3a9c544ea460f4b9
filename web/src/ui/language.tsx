/**
 * The two languages of the pages. Texts live beside the component that shows them, as one object
 * per language with the same keys, so that a missing translation is a type error.
 */
import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";

export type Language = "en" | "id";

/** One text object per language. */
export type Texts<T> = Record<Language, T>;

const STORAGE_KEY = "switchboard.language";

interface Chosen {
  language: Language;
  choose: (language: Language) => void;
}

const LanguageContext = createContext<Chosen>({ language: "en", choose: () => {} });

interface LanguageProviderProps {
  /** Wins over what was chosen before; for pages that are told their language. */
  initial?: Language | undefined;
  children: ComponentChildren;
}

export function LanguageProvider({ initial, children }: LanguageProviderProps) {
  const [language, setLanguage] = useState(() => initial ?? initialLanguage());
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const chosen = useMemo(
    () => ({
      language,
      choose: (next: Language) => {
        setLanguage(next);
        remember(next);
      },
    }),
    [language],
  );
  return <LanguageContext.Provider value={chosen}>{children}</LanguageContext.Provider>;
}

/** The language in force and how to change it. */
export function useLanguage(): Chosen {
  return useContext(LanguageContext);
}

/** The texts of a component in the language in force. */
export function useTexts<T>(texts: Texts<T>): T {
  return texts[useLanguage().language];
}

function initialLanguage(): Language {
  return languageOf(remembered() ?? navigator.language);
}

/** The language that a code such as `id-ID` asks for. */
export function languageOf(code: string): Language {
  const wanted = code.slice(0, 2).toLowerCase();
  // Older browsers report Indonesian by its former code.
  return wanted === "id" || wanted === "in" ? "id" : "en";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage is switched off in this browser
  }
}

function remember(language: Language): void {
  try {
    localStorage.setItem(STORAGE_KEY, language);
  } catch {
    // Then the choice lasts as long as the page.
  }
}
