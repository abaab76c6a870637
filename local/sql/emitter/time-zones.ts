/** Windows' names of time zones, as AT TIME ZONE takes them, by the names that PostgreSQL knows. */
// prettier-ignore
export const timeZones: ReadonlyMap<string, string> = new Map([
  ['utc', 'UTC'], ['gmt standard time', 'Europe/London'], ['greenwich standard time', 'Atlantic/Reykjavik'],
  ['w. europe standard time', 'Europe/Berlin'], ['central europe standard time', 'Europe/Budapest'],
  ['central european standard time', 'Europe/Warsaw'], ['romance standard time', 'Europe/Paris'],
  ['e. europe standard time', 'Europe/Chisinau'], ['gtb standard time', 'Europe/Bucharest'],
  ['fle standard time', 'Europe/Kiev'], ['turkey standard time', 'Europe/Istanbul'], ['russian standard time', 'Europe/Moscow'],
  ['south africa standard time', 'Africa/Johannesburg'], ['israel standard time', 'Asia/Jerusalem'],
  ['arabian standard time', 'Asia/Dubai'], ['arab standard time', 'Asia/Riyadh'], ['pakistan standard time', 'Asia/Karachi'],
  ['india standard time', 'Asia/Calcutta'], ['bangladesh standard time', 'Asia/Dhaka'], ['se asia standard time', 'Asia/Bangkok'],
  ['china standard time', 'Asia/Shanghai'], ['singapore standard time', 'Asia/Singapore'], ['taipei standard time', 'Asia/Taipei'],
  ['tokyo standard time', 'Asia/Tokyo'], ['korea standard time', 'Asia/Seoul'], ['w. australia standard time', 'Australia/Perth'],
  ['cen. australia standard time', 'Australia/Adelaide'], ['aus central standard time', 'Australia/Darwin'],
  ['e. australia standard time', 'Australia/Brisbane'], ['aus eastern standard time', 'Australia/Sydney'],
  ['new zealand standard time', 'Pacific/Auckland'], ['hawaiian standard time', 'Pacific/Honolulu'],
  ['alaskan standard time', 'America/Anchorage'], ['pacific standard time', 'America/Los_Angeles'],
  ['us mountain standard time', 'America/Phoenix'], ['mountain standard time', 'America/Denver'],
  ['central standard time', 'America/Chicago'], ['canada central standard time', 'America/Regina'],
  ['central america standard time', 'America/Guatemala'], ['eastern standard time', 'America/New_York'],
  ['sa pacific standard time', 'America/Bogota'], ['atlantic standard time', 'America/Halifax'],
  ['newfoundland standard time', 'America/St_Johns'], ['e. south america standard time', 'America/Sao_Paulo'],
  ['argentina standard time', 'America/Buenos_Aires'],
]);
