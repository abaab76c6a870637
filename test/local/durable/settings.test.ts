import { readDurableSettings } from '../../../local/durable/settings';

describe('the durableTask section of host.json', () => {
  it('gives the task hub and the concurrency, and lets the storage be', () => {
    const durableTask = {
      hubName: 'sqlfleet',
      maxConcurrentActivityFunctions: 7,
      storageProvider: { type: 'azureStorage' },
    };
    const settings = readDurableSettings({ version: '2.0', extensions: { durableTask } });
    expect(settings).toEqual({ taskHubName: 'sqlfleet', options: { maxConcurrentActivityFunctions: 7 } });
  });

  it('may be missing', () => {
    expect(readDurableSettings({ version: '2.0' })).toEqual({ taskHubName: 'TestHubName', options: {} });
  });

  it.each([{ hubName: 'no-dashes' }, { maxConcurrentActivityFunctions: 0 }])('refuses %j', (durableTask) => {
    expect(() => readDurableSettings({ extensions: { durableTask } })).toThrow();
  });
});
