import { readLaunchOptions } from '../../../local/launcher/options';

describe('the options of npm start', () => {
  it('are the ports of the official emulators, unless others are chosen', () => {
    expect(readLaunchOptions(['--http-port', '7099'])).toMatchObject({ 'http-port': 7099, 'cosmos-port': 8081 });
  });

  it('keep a port that is named when all others are to be free ones', () => {
    const options = readLaunchOptions(['--free-ports', '--http-port', '7099']);
    expect(options).toMatchObject({ 'http-port': 7099, 'sql-port': 0, 'cosmos-port': 0, 'free-ports': false });
  });

  it.each([
    [['--http-port', 'abc'], '--http-port must be a number'],
    [['--http-port', '99999'], '--http-port must be at most 65535'],
    [['--servers', '0'], '--servers must be at least 1'],
    [['--nope'], "Unknown option '--nope'"],
  ])('%j is answered in words', (args, message) => {
    expect(() => readLaunchOptions(args)).toThrow(message);
  });
});
