/** Access tokens as the clients hold them: the text itself, or somebody who knows the newest one. */

/** A token, or a function that is asked for one before every use; so that tokens can be renewed. */
export type TokenSource = string | (() => string | Promise<string>);

export async function currentToken(source: TokenSource | undefined): Promise<string | undefined> {
  return typeof source === "function" ? source() : source;
}

/**
 * Under which name this credential's unsent messages are kept. A token is renewed while its user
 * stays, so a token counts by what it says of its user. The name does not betray the credential.
 */
export function ownerOf(credential: string): string {
  const { tenant = "default", sub } = claimsOf(credential);
  return sub === undefined ? fingerprint(credential) : `${tenant}.${sub}`;
}

/** Whom a JSON Web Token names, unchecked. */
export function subjectOf(token: string): string | undefined {
  return claimsOf(token).sub;
}

interface Claims {
  tenant?: string;
  sub?: string;
}

/** What a JSON Web Token says of its user, unchecked; nothing of other credentials. */
function claimsOf(credential: string): Claims {
  const payload = credential.split(".")[1];
  if (!payload) return {};
  try {
    const bytes = atob(payload.replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(bytes) as Claims;
  } catch {
    return {}; // three parts, but no token
  }
}

/** FNV-1a, 64 bits: short, and the same at every load. Not a secret-keeping hash. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(36);
}
