const hour = '(?:[01]\\d|2[0-3])';
const time = `${hour}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-]${hour}:[0-5]\\d)`;
const leapYear = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const date =
  '(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])' +
  '|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))' +
  `|${leapYear}-02-29)`;
const hex4 = '[0-9a-fA-F]{4}';
const label = '[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}';
const host = `${label}(?:\\.${label}){0,3}`;
const byte = '(?:\\d|[1-9]\\d|1\\d\\d|2[0-4]\\d|25[0-5])';
const group = '[0-9a-fA-F]{1,4}';
const pathCharacter = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const queryCharacter = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})";
const afterPath = `(?:\\?${queryCharacter}*)?(?:#${queryCharacter}*)?`;
const uri =
  '[A-Za-z][A-Za-z0-9+.-]{0,15}:' +
  `(?://${host}(?::\\d{1,5})?(?:/${pathCharacter}*)*|${pathCharacter}+(?:/${pathCharacter}*)*)` +
  afterPath;
const clock = '(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S)';
const days = '(?:\\d{1,6}Y(?:\\d{1,6}M(?:\\d{1,6}D)?)?|\\d{1,6}M(?:\\d{1,6}D)?|\\d{1,6}D)';
const word = "[A-Za-z0-9_+'-]{1,20}";

/** An address of IPv6: eight groups, of which one run of zeros may be left out. */
function ipv6(): string {
  const forms = [`(?:${group}:){7}${group}`, `(?:${group}:){1,7}:`, `:(?::${group}){1,7}`, '::'];
  for (let before = 1; before <= 6; before += 1) {
    forms.push(`(?:${group}:){${before}}(?::${group}){1,${7 - before}}`);
  }
  return `(?:${forms.join('|')})`;
}

/**
 * The formats of JSON Schema that are followed, each as a regular expression of the whole string. What
 * matches is always of the format; what is rare in it, such as a quoted local part of an address, may
 * be left out.
 */
export const stringFormats: Readonly<Record<string, string>> = {
  date,
  'date-time': `${date}T${time}`,
  duration: `P(?:\\d{1,6}W|${days}(?:T${clock})?|T${clock})`,
  email: `${word}(?:\\.${word}){0,2}@${label}(?:\\.${label}){1,2}`,
  hostname: host,
  ipv4: `${byte}(?:\\.${byte}){3}`,
  ipv6: ipv6(),
  time,
  uri,
  'uri-reference': `(?:${uri}|(?:/${pathCharacter}+)+${afterPath})`,
  uuid: `${hex4}${hex4}-${hex4}-${hex4}-${hex4}-${hex4}${hex4}${hex4}`,
};
