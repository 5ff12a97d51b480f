// The code beside the actions: which of it is shown, and in which language.

const LANGUAGE = 'crosslock-demo.language';

export function startCode(): void {
  const root = document.documentElement;
  const choose = (language: string) => {
    root.dataset.language = language;
    for (const button of document.querySelectorAll<HTMLElement>('[data-choose]')) {
      button.setAttribute('aria-pressed', String(button.dataset.choose === language));
    }
  };
  choose(localStorage.getItem(LANGUAGE) ?? 'typescript');
  for (const button of document.querySelectorAll<HTMLElement>('[data-choose]')) {
    button.addEventListener('click', () => {
      choose(button.dataset.choose!);
      localStorage.setItem(LANGUAGE, button.dataset.choose!);
    });
  }

  // That of the last action in this window.
  const actions = document.querySelectorAll<HTMLInputElement>('input[name=action]');
  const codes = document.querySelectorAll<HTMLElement>('[data-code-of]');
  const show = (action: string) => {
    for (const input of actions) input.checked = input.value === action;
    for (const code of codes) code.hidden = code.dataset.codeOf !== action;
  };
  for (const input of actions) input.addEventListener('change', () => show(input.value));
  addEventListener('crosslock-code', (event) => show((event as CustomEvent<string>).detail));
  show('hold');
}
