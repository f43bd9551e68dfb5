// The second line against secrets in logs. The first is that nothing secret is ever given to a log: fields are chosen,
// errors say what is wrong and not with which value. What slips through, by way of another's library or a mistake of
// ours, is taken out of the finished line by its form.

/** Each finds one form of secret in time linear in the text. The first group stays, the rest goes. */
const FORMS: readonly RegExp[] = [
  // Keys and cookies of HIL: the kind stays, and an API key's public id.
  /\b(hil_(?:owner|admin|operator|auditor|responder|agent|relay)_[a-z0-9]{12}_)[0-9A-Za-z]{43}(?:_[0-9a-f]{8})?/g,
  /\b(hil_[a-z]{1,20}_)[\w-]{16,}/g,
  // JSON Web Tokens.
  /\b(eyJ)[\w-]{8,}\.[\w-]{2,}(?:\.[\w-]*)?/g,
  // Credentials in headers, also where a dump of headers writes them as a list or a pair.
  /\b((?:bearer|basic) +)[\w.~+/=-]{6,}/gi,
  /((?:set-)?cookie["']?[:,=] ?["']?[\w-]{1,60}=)[^;\s"'\\]+/gi,
  // The key in "/k/{key}/…", a sign-in token behind "/login#", a user's password in front of a host.
  /(\/k\/)[^\s/?#"'\\]+/g,
  /(\/login#)[\w-]+/g,
  /\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/?#@"'\\]{1,500}@/gi,
  // Secrets in queries of addresses, vendors' included.
  /([?&](?:key|secret|token|access_token|refresh_token|id_token|password|code|state|nonce|signature|msg_signature|sig)=)[^&\s"'\\#]+/gi,
  // Private keys in PEM form.
  /(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).{0,10000}?-----END [A-Z ]{0,30}PRIVATE KEY-----/gs,
];

/** Takes what has the form of a secret out of a line. */
export function scrubSecrets(line: string): string {
  let scrubbed = line;
  for (const form of FORMS) scrubbed = scrubbed.replace(form, "$1[redacted]");
  return scrubbed;
}
