import sample from '../../../local.settings.sample.json';
import { readSettings, settingsSchema } from '../../../lib/platform/settings';

const minimal = {
  SQLFLEET_SERVICE_BUS: 'Endpoint=sb://localhost',
  SQLFLEET_EVENT_HUBS: 'Endpoint=sb://localhost',
  SQLFLEET_BLOBS: 'UseDevelopmentStorage=true',
  SQLFLEET_COSMOS_ENDPOINT: 'http://localhost:8081/',
};

describe('the settings', () => {
  it('need only where the services are', () => {
    expect(readSettings(minimal)).toMatchObject({
      SQLFLEET_SQL_AUTHENTICATION: 'entra',
      SQLFLEET_SQL_ALLOWED_SERVERS: ['.database.windows.net'],
    });
  });

  it('leave the variables of others alone', () => {
    expect(() => readSettings({ ...minimal, PATH: '/bin', HOME: undefined })).not.toThrow();
  });

  it('report everything that is wrong at once, by name', () => {
    const broken = {
      SQLFLEET_COSMOS_ENDPOINT: 'nowhere',
      SQLFLEET_MONITOR_INTERVAL_MS: '-1',
      SQLFLEET_COSMOSS_KEY: 'x',
    };
    let message = '';
    try {
      readSettings(broken);
    } catch (error) {
      message = String(error);
    }
    for (const name of Object.keys(broken)) expect(message).toContain(name);
    expect(message).toContain('SQLFLEET_SERVICE_BUS');
    expect(message).toContain('unknown setting');
  });

  it('ask for user, secret and vault when passwords are used', () => {
    expect(() => readSettings({ ...minimal, SQLFLEET_SQL_AUTHENTICATION: 'password' })).toThrow(
      /SQLFLEET_SQL_USER[^]*SQLFLEET_SQL_PASSWORD_SECRET[^]*SQLFLEET_KEY_VAULT_URL/,
    );
  });

  it('say where a server is really reached', () => {
    const settings = readSettings({
      ...minimal,
      SQLFLEET_SQL_ENDPOINTS: 'One.example=127.0.0.1,14331; two.example=h,1',
    });
    expect(settings.SQLFLEET_SQL_ENDPOINTS.get('one.example')).toEqual({ host: '127.0.0.1', port: 14331 });
    const gateways = readSettings({ ...minimal, SQLFLEET_SQL_ENDPOINTS: '*.Example=h,1;*=i,2' }).SQLFLEET_SQL_ENDPOINTS;
    expect([...gateways.keys()]).toEqual(['*.example', '*']);
    expect(() => readSettings({ ...minimal, SQLFLEET_SQL_ENDPOINTS: 'a*.example=h,1' })).toThrow('name=host,port');
    expect(() => readSettings({ ...minimal, SQLFLEET_SQL_ENDPOINTS: 'one' })).toThrow('SQLFLEET_SQL_ENDPOINTS');
  });

  it('are the ones of the sample file', () => {
    const own = Object.keys(sample.Values).filter((name) => name.startsWith('SQLFLEET_'));
    expect(own.filter((name) => !(name in settingsSchema.shape))).toEqual([]);
    expect(() => readSettings(sample.Values)).not.toThrow();
  });
});
