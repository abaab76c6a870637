import { bigInteger, datetime, guid, integer, nvarchar, quoteName, varchar } from '../../../lib/sql/literals';

describe('a text literal', () => {
  it('doubles quotes, so that a value cannot end it', () => {
    expect(nvarchar("x'); DROP TABLE t; --")).toBe("N'x''); DROP TABLE t; --'");
    expect(nvarchar("''")).toBe("N''''''");
    expect(nvarchar('')).toBe("N''");
  });

  it('keeps a backslash before a line break, which T-SQL would take for a continued line', () => {
    expect(nvarchar('a\\\r\nb')).toBe("CONVERT(nvarchar(max), N'a\\') + N'\r\nb'");
    expect(nvarchar('a\\\nb\\\nc')).toBe("CONVERT(nvarchar(max), N'a\\') + N'\nb\\' + N'\nc'");
    expect(nvarchar('a\\b\n')).toBe("N'a\\b\n'");
  });

  it('leaves it to the server to cut a text to its column', () => {
    expect(varchar("it's", 10)).toBe("CONVERT(varchar(10), N'it''s')");
  });
});

describe('other literals', () => {
  it('quote names with the bracket doubled', () => {
    expect(quoteName('a]b')).toBe('[a]]b]');
    expect(() => quoteName('')).toThrow(RangeError);
    expect(() => quoteName('x'.repeat(129))).toThrow(RangeError);
  });

  it('take nothing for a GUID that is none', () => {
    expect(guid('0F8FAD5B-D9CB-469F-A165-70867728950E')).toBe("'0f8fad5b-d9cb-469f-a165-70867728950e'");
    expect(() => guid("0f8fad5b-d9cb-469f-a165-70867728950e' OR 1=1")).toThrow(RangeError);
  });

  it('take nothing for a number that is none', () => {
    expect(integer(-3)).toBe('-3');
    expect(() => integer(1.5)).toThrow(RangeError);
    expect(() => integer(Number.NaN)).toThrow(RangeError);
    expect(bigInteger('9223372036854775807')).toBe('9223372036854775807');
    expect(() => bigInteger('1; SELECT 1')).toThrow(RangeError);
  });

  it('write times in the form that no session setting changes', () => {
    expect(datetime(Date.UTC(2026, 1, 3, 4, 5, 6, 789))).toBe("'2026-02-03T04:05:06.789'");
    expect(() => datetime(Number.NaN)).toThrow(RangeError);
    expect(() => datetime(Date.UTC(1700, 0, 1))).toThrow(RangeError);
  });
});
