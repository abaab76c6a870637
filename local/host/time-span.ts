const pattern = /^(-)?(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$/;

/** Reads a .NET time span (`[d.]hh:mm[:ss[.fffffff]]`, the form of host.json). Null when it is none. */
export function parseTimeSpanMs(text: string): number | null {
  const match = pattern.exec(text.trim());
  if (match === null) return null;
  const [, sign, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = ''] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return null;
  const wholeSeconds = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  const ms = wholeSeconds * 1000 + Math.floor(Number(`0.${fraction || '0'}`) * 1000);
  return sign === undefined ? ms : -ms;
}
