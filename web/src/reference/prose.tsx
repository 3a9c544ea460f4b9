/** The document's own words: paragraphs, with `code` between backquotes. Nothing else is markup. */

export function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split(/\n{2,}/).map((paragraph, place) => (
        <p key={place} class="prose">
          {paragraph
            .split("`")
            .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}
        </p>
      ))}
    </>
  );
}
