/**
 * T-SQL's conversions and string functions where PostgreSQL's own differ. Errors carry SQL Server's number in HINT and
 * how far they reach in DETAIL (`errors.ts`: scope); see interpreter/postgres-errors.ts for the other end.
 */
/** TRY_CAST and TRY_CONVERT: the same functions, NULL where they fail. */
const tryVersions = [
  ['text_to_int', 'v text, source text, target text', 'v, source, target', 'bigint'],
  ['text_to_bit', 'v text, source text', 'v, source', 'smallint'],
  ['text_to_numeric', 'v text, source text, target text', 'v, source, target', 'numeric'],
  ['text_to_guid', 'v text', 'v', 'uuid'],
  ['text_to_timestamp', 'v text, style int, target text, source text', 'v, style, target, source', 'timestamp'],
  ['xml_of', 'v text', 'v', 'text'],
  ['bytes_of_hex', 'v text, marked boolean, source text', 'v, marked, source', 'bytea'],
  ['text_to_offset', 'v text', 'v', 'tsql.datetimeoffset'],
]
  .map(
    ([name, parameters, args, result]) => `
CREATE FUNCTION tsql.try_${name}(${parameters}) RETURNS ${result} LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
  RETURN tsql.${name}(${args});
EXCEPTION WHEN SQLSTATE 'TSQL0' OR data_exception THEN RETURN NULL;
END $$;`,
  )
  .join('\n');

export const conversionFunctions = `
-- volatile, or the planner would call it where it is never reached
CREATE FUNCTION tsql.fail(number int, scope text, message text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'TSQL0', MESSAGE = message, HINT = number::text, DETAIL = scope;
END $$;

CREATE FUNCTION tsql.next_depth(depth int, maximum int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF maximum > 0 AND depth >= maximum THEN
    PERFORM tsql.fail(530, 'statement', format('The statement terminated. The maximum recursion %s has been exhausted before statement completion.', maximum));
  END IF;
  RETURN depth + 1;
END $$;

CREATE FUNCTION tsql.text_to_int(v text, source text, target text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE t text := btrim(v, E' \\t\\r\\n'); n numeric;
BEGIN
  IF t = '' THEN RETURN 0; END IF;
  IF t !~ '^[+-]?[0-9]+$' THEN
    IF target = 'bigint' THEN PERFORM tsql.fail(8114, 'transaction', format('Error converting data type %s to bigint.', source)); END IF;
    PERFORM tsql.fail(245, 'transaction', format('Conversion failed when converting the %s value ''%s'' to data type %s.', source, v, target));
  END IF;
  n := t::numeric;
  IF target = 'bigint' AND n NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
    PERFORM tsql.fail(8115, 'statement', 'Arithmetic overflow error converting expression to data type bigint.');
  ELSIF target = 'int' AND n NOT BETWEEN -2147483648 AND 2147483647 THEN
    PERFORM tsql.fail(248, 'transaction', format('The conversion of the %s value ''%s'' overflowed an int column.', source, v));
  ELSIF target = 'smallint' AND n NOT BETWEEN -32768 AND 32767 THEN
    PERFORM tsql.fail(244, 'transaction', format('The conversion of the %s value ''%s'' overflowed an INT2 column. Use a larger integer column.', source, v));
  ELSIF target = 'tinyint' AND n NOT BETWEEN 0 AND 255 THEN
    PERFORM tsql.fail(244, 'transaction', format('The conversion of the %s value ''%s'' overflowed an INT1 column. Use a larger integer column.', source, v));
  END IF;
  RETURN n::bigint;
END $$;

CREATE FUNCTION tsql.text_to_bit(v text, source text) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE t text := lower(btrim(v));
BEGIN
  IF t = 'true' THEN RETURN 1; ELSIF t = 'false' OR t = '' THEN RETURN 0; END IF;
  IF t !~ '^[+-]?[0-9]+$' THEN
    PERFORM tsql.fail(245, 'transaction', format('Conversion failed when converting the %s value ''%s'' to data type bit.', source, v));
  END IF;
  RETURN CASE WHEN t::numeric = 0 THEN 0 ELSE 1 END;
END $$;

CREATE FUNCTION tsql.text_to_numeric(v text, source text, target text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE t text := btrim(v);
BEGIN
  IF target IN ('money', 'smallmoney') THEN
    IF t = '' THEN RETURN 0; END IF;
    t := replace(regexp_replace(t, '^([+-]?)[$€£¥]', '\\1'), ',', '');
    IF t !~ '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$' THEN
      PERFORM tsql.fail(235, 'transaction', 'Cannot convert a char value to money. The char value has incorrect syntax.');
    END IF;
  ELSIF target IN ('float', 'real') THEN
    IF t = '' THEN RETURN 0; END IF;
    IF t !~ '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$' THEN
      PERFORM tsql.fail(8114, 'transaction', format('Error converting data type %s to %s.', source, target));
    END IF;
  ELSIF t !~ '^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)$' THEN
    PERFORM tsql.fail(8114, 'transaction', format('Error converting data type %s to numeric.', source));
  END IF;
  RETURN t::numeric;
END $$;

CREATE FUNCTION tsql.text_to_guid(v text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF v !~* '^(\\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})' THEN
    PERFORM tsql.fail(8169, 'transaction', 'Conversion failed when converting from a character string to uniqueidentifier.');
  END IF;
  RETURN left(ltrim(v, '{'), 36)::uuid;
END $$;

-- datetime keeps 1/300 s: .000, .003, .007
CREATE FUNCTION tsql.round_datetime(v timestamp) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE us bigint := (extract(epoch FROM v - date_trunc('day', v)) * 1000000)::bigint; ticks bigint;
BEGIN
  IF v < '1753-01-01' OR v > '9999-12-31 23:59:59.998' THEN
    PERFORM tsql.fail(242, 'transaction', 'The conversion of a datetime2 data type to a datetime data type resulted in an out-of-range value.');
  END IF;
  ticks := round(us * 300 / 1000000.0);
  RETURN date_trunc('day', v) + (round(ticks * 10 / 3.0) * 1000) * interval '1 microsecond';
END $$;

CREATE FUNCTION tsql.text_to_timestamp(v text, style int, target text, source text) RETURNS timestamp LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE t text := btrim(v); format text; parts text[];
BEGIN
  IF t = '' THEN RETURN '1900-01-01'; END IF;
  IF t ~ '^[0-9]{4}$' THEN RETURN (t || '-01-01')::timestamp; END IF;
  IF t ~ '^[0-9]{1,2}(:[0-9]{2}){1,2}([:.][0-9]+)?\\s*([aApP][mM])?$' OR t ~ '^[0-9]{1,2}\\s*[aApP][mM]$' THEN
    RETURN '1900-01-01'::timestamp + regexp_replace(t, '^([0-9]{1,2}:[0-9]{2}:[0-9]{2}):', '\\1.')::time;
  END IF;
  parts := regexp_match(t, '^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})(\\s.*)?$');
  IF parts IS NOT NULL AND style IN (3, 4, 5, 103, 104, 105, 113, 131, 1001) THEN
    RETURN (parts[3] || '-' || parts[2] || '-' || parts[1] || coalesce(parts[4], ''))::timestamp;
  ELSIF length(parts[3]) = 2 AND style = 1002 THEN
    RETURN (CASE WHEN parts[1]::int < 50 THEN 20 ELSE 19 END || lpad(parts[1], 2, '0') || '-' || parts[2] || '-' || parts[3] || coalesce(parts[4], ''))::timestamp;
  END IF;
  -- the old types read year, day, month where the day comes before the month
  parts := regexp_match(t, '^([0-9]{4})[/.-]([0-9]{1,2})[/.-]([0-9]{1,2})(\\s.*)?$');
  IF parts IS NOT NULL AND style = 1001 AND target IN ('datetime', 'smalldatetime') THEN
    RETURN (parts[1] || '-' || parts[3] || '-' || parts[2] || coalesce(parts[4], ''))::timestamp;
  END IF;
  IF t !~* '^([0-9]{8}(\\s+[0-9:.]+\\s*([ap]m)?)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ].*)?|[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}(\\s.*)?|[a-z]{3,9}\\.?\\s+[0-9]{1,2},?\\s+[0-9]{2,4}(\\s.*)?|[0-9]{1,2}[ -][a-z]{3,9}[ -,]+[0-9]{2,4}(\\s.*)?)$' THEN
    PERFORM tsql.fail(241, 'transaction', 'Conversion failed when converting date and/or time from character string.');
  END IF;
  IF target IN ('datetime', 'smalldatetime') AND t ~ '\\.[0-9]{4,}' THEN
    PERFORM tsql.fail(241, 'transaction', 'Conversion failed when converting date and/or time from character string.');
  END IF;
  -- hh:mm:ss:mmm is T-SQL's own
  t := regexp_replace(t, '([0-9]{1,2}:[0-9]{2}:[0-9]{2}):([0-9]{1,3})', '\\1.\\2');
  t := regexp_replace(t, '(\\.[0-9]{6})[0-9]+', '\\1');
  RETURN t::timestamptz AT TIME ZONE 'UTC';
EXCEPTION
  WHEN datetime_field_overflow THEN
    IF target IN ('datetime', 'smalldatetime') THEN
      PERFORM tsql.fail(242, 'transaction', format('The conversion of a %s data type to a %s data type resulted in an out-of-range value.', source, target));
    END IF;
    PERFORM tsql.fail(241, 'transaction', 'Conversion failed when converting date and/or time from character string.');
  WHEN invalid_datetime_format OR invalid_text_representation THEN
    PERFORM tsql.fail(241, 'transaction', 'Conversion failed when converting date and/or time from character string.');
END $$;

CREATE FUNCTION tsql.text_to_offset(v text) RETURNS tsql.datetimeoffset LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE zone text[] := regexp_match(v, '([+-])([0-9]{1,2}):([0-9]{2})\\s*$'); minutes int := 0; base text := v;
BEGIN
  IF zone IS NOT NULL THEN
    minutes := (zone[1] || '1')::int * (zone[2]::int * 60 + zone[3]::int);
    base := regexp_replace(v, '\\s*[+-][0-9]{1,2}:[0-9]{2}\\s*$', '');
  END IF;
  RETURN ROW(tsql.text_to_timestamp(regexp_replace(base, 'Z\\s*$', ''), 0, 'datetimeoffset', 'varchar') - minutes * interval '1 minute', minutes);
END $$;

CREATE FUNCTION tsql.offset_minutes(v text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE zone text[] := regexp_match(btrim(v) COLLATE pg_catalog.pg_c_utf8, '^(?:([+-])([0-9]{1,2}):([0-9]{2})|(-?[0-9]{1,3}))$');
BEGIN
  IF zone IS NULL OR zone[2]::int * 60 + zone[3]::int > 840 OR abs(zone[4]::int) > 840 THEN
    PERFORM tsql.fail(9812, 'statement', 'The timezone provided to builtin function is invalid.');
  END IF;
  RETURN coalesce(zone[4]::int, (zone[1] || '1')::int * (zone[2]::int * 60 + zone[3]::int));
END $$;
CREATE FUNCTION tsql.xml_of(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE detail text;
BEGIN
  PERFORM xmlparse(CONTENT v);
  RETURN regexp_replace(v, '^\\s*<\\?xml[^>]*\\?>\\s*', '');
EXCEPTION WHEN invalid_xml_content OR invalid_xml_document THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  IF detail ~ 'mismatch' THEN PERFORM tsql.fail(9436, 'transaction', 'XML parsing: line 1, end tag does not match start tag'); END IF;
  IF detail ~ 'Premature end|not terminated|Couldn''t find end' THEN PERFORM tsql.fail(9400, 'transaction', 'XML parsing: line 1, unexpected end of input'); END IF;
  PERFORM tsql.fail(9420, 'transaction', 'XML parsing: line 1, illegal xml character');
END $$;
CREATE FUNCTION tsql.soundex(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE letters text := upper(v); code text := ''; last text := ''; c text; d text;
BEGIN
  FOR i IN 1..length(letters) LOOP
    c := substr(letters, i, 1);
    EXIT WHEN c !~ '[A-Z]';
    d := translate(c, 'BFPVCGJKQSXZDTLMNRAEIOUYHW', '11112222222233455600000099');
    IF i = 1 THEN code := c; last := d;
    ELSIF d = '9' THEN CONTINUE;
    ELSE
      IF d <> '0' AND d <> last THEN code := code || d; END IF;
      last := d;
    END IF;
  END LOOP;
  RETURN CASE WHEN code = '' THEN '0000' ELSE left(code || '000', 4) END;
END $$;
CREATE FUNCTION tsql.offset_local(v tsql.datetimeoffset) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
$$ SELECT (v).utc + (v).minutes * interval '1 minute' $$;
CREATE FUNCTION tsql.offset_text(v tsql.datetimeoffset, scale int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT tsql.timestamp_text(tsql.offset_local(v), scale) || CASE WHEN (v).minutes < 0 THEN ' -' ELSE ' +' END
  || lpad((abs((v).minutes) / 60)::text, 2, '0') || ':' || lpad((abs((v).minutes) % 60)::text, 2, '0') $$;

CREATE FUNCTION tsql.fraction(v timestamp, digits int) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN digits <= 0 THEN '' ELSE '.' || left(to_char(v, 'US') || '0', digits) END $$;
CREATE FUNCTION tsql.timestamp_text(v timestamp, digits int) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT to_char(v, 'YYYY-MM-DD HH24:MI:SS') || tsql.fraction(v, digits) $$;

-- CONVERT(varchar, datetime, style); digits: fractional digits that the type keeps
CREATE FUNCTION tsql.date_style(v timestamp, style int, digits int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  CASE style
    WHEN 0, 100 THEN RETURN to_char(v, 'Mon ') || lpad(extract(day FROM v)::text, 2) || to_char(v, ' YYYY ') || lpad(to_char(v, 'FMHH12:MIAM'), 7);
    WHEN 1 THEN RETURN to_char(v, 'MM/DD/YY');
    WHEN 101 THEN RETURN to_char(v, 'MM/DD/YYYY');
    WHEN 2 THEN RETURN to_char(v, 'YY.MM.DD');
    WHEN 102 THEN RETURN to_char(v, 'YYYY.MM.DD');
    WHEN 3 THEN RETURN to_char(v, 'DD/MM/YY');
    WHEN 103 THEN RETURN to_char(v, 'DD/MM/YYYY');
    WHEN 4 THEN RETURN to_char(v, 'DD.MM.YY');
    WHEN 104 THEN RETURN to_char(v, 'DD.MM.YYYY');
    WHEN 5 THEN RETURN to_char(v, 'DD-MM-YY');
    WHEN 105 THEN RETURN to_char(v, 'DD-MM-YYYY');
    WHEN 6 THEN RETURN to_char(v, 'DD Mon YY');
    WHEN 106 THEN RETURN to_char(v, 'DD Mon YYYY');
    WHEN 7 THEN RETURN to_char(v, 'Mon DD, YY');
    WHEN 107 THEN RETURN to_char(v, 'Mon DD, YYYY');
    WHEN 8, 108 THEN RETURN to_char(v, 'HH24:MI:SS');
    WHEN 9, 109 THEN RETURN to_char(v, 'Mon ') || lpad(extract(day FROM v)::text, 2) || to_char(v, ' YYYY ') || lpad(to_char(v, 'FMHH12:MI:SS'), 8) || ':' || to_char(v, 'MSAM');
    WHEN 10 THEN RETURN to_char(v, 'MM-DD-YY');
    WHEN 110 THEN RETURN to_char(v, 'MM-DD-YYYY');
    WHEN 11 THEN RETURN to_char(v, 'YY/MM/DD');
    WHEN 111 THEN RETURN to_char(v, 'YYYY/MM/DD');
    WHEN 12 THEN RETURN to_char(v, 'YYMMDD');
    WHEN 112 THEN RETURN to_char(v, 'YYYYMMDD');
    WHEN 13, 113 THEN RETURN to_char(v, 'DD Mon YYYY HH24:MI:SS:MS');
    WHEN 14, 114 THEN RETURN to_char(v, 'HH24:MI:SS:MS');
    WHEN 20, 120 THEN RETURN to_char(v, 'YYYY-MM-DD HH24:MI:SS');
    WHEN 21, 25, 121 THEN RETURN tsql.timestamp_text(v, digits);
    WHEN 23 THEN RETURN to_char(v, 'YYYY-MM-DD');
    WHEN 126, 127 THEN
      RETURN to_char(v, 'YYYY-MM-DD"T"HH24:MI:SS') || CASE WHEN digits = 3 AND to_char(v, 'MS') = '000' THEN '' ELSE tsql.fraction(v, digits) END;
    ELSE PERFORM tsql.fail(281, 'statement', format('%s is not a valid style number when converting from datetime to a character string.', style));
  END CASE;
END $$;

CREATE FUNCTION tsql.float_text(v float8, style int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE magnitude int; s text; digits int := CASE style WHEN 1 THEN 8 WHEN 2 THEN 16 WHEN 3 THEN 17 ELSE 6 END;
BEGIN
  IF v = 0 AND style = 0 THEN RETURN '0'; END IF;
  magnitude := CASE WHEN v = 0 THEN 0 ELSE floor(log(abs(v)::numeric)) END;
  IF style = 0 AND magnitude >= -4 AND magnitude < 6 THEN
    s := round(v::numeric, greatest(0, 5 - magnitude))::text;
    IF s ~ '\\.' THEN s := rtrim(rtrim(s, '0'), '.'); END IF;
    RETURN s;
  END IF;
  s := to_char(v, '9.' || repeat('9', digits - 1) || 'EEEE');
  s := btrim(s);
  IF style = 0 THEN s := regexp_replace(s, '\\.?0*e', 'e'); END IF;
  RETURN regexp_replace(s, 'e([+-])([0-9]{2})$', 'e\\10\\2');
END $$;

CREATE FUNCTION tsql.format_number(v numeric, integral int, grouped boolean, at_least int, at_most int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE rounded numeric := round(v, at_most); s text := abs(rounded)::text; whole text := split_part(s, '.', 1); part text := split_part(s, '.', 2);
BEGIN
  WHILE length(part) > at_least AND right(part, 1) = '0' LOOP part := left(part, -1); END LOOP;
  whole := CASE WHEN whole = '0' AND integral = 0 THEN '' ELSE lpad(whole, greatest(integral, length(whole)), '0') END;
  IF grouped THEN whole := reverse(regexp_replace(reverse(whole), '([0-9]{3})(?=[0-9])', '\\1,', 'g')); END IF;
  RETURN CASE WHEN rounded < 0 THEN '-' ELSE '' END || whole || CASE WHEN part <> '' THEN '.' || part ELSE '' END;
END $$;
CREATE FUNCTION tsql.money_text(v numeric, style int) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT CASE style WHEN 1 THEN btrim(to_char(v, 'FM999,999,999,999,999,990.00')) WHEN 2 THEN v::numeric(19,4)::text ELSE round(v, 2)::text END $$;

CREATE FUNCTION tsql.to_tinyint(v numeric) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF v < 0 OR v > 255 THEN PERFORM tsql.fail(220, 'statement', format('Arithmetic overflow error for data type tinyint, value = %s.', v)); END IF;
  RETURN v;
END $$;
CREATE FUNCTION tsql.to_smallint(v numeric) RETURNS smallint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF v < -32768 OR v > 32767 THEN PERFORM tsql.fail(220, 'statement', format('Arithmetic overflow error for data type smallint, value = %s.', v)); END IF;
  RETURN v;
END $$;

-- a value on its way into a column: only blanks may be cut off
CREATE FUNCTION tsql.fit(v text, size int, table_name text, column_name text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF length(v) > size AND length(rtrim(v)) > size THEN
    PERFORM tsql.fail(2628, 'statement', format('String or binary data would be truncated in table ''%s'', column ''%s''. Truncated value: ''%s''.', table_name, column_name, left(v, size)));
  END IF;
  RETURN left(v, size);
END $$;
CREATE FUNCTION tsql.fit(v bytea, size int, table_name text, column_name text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF length(v) > size THEN
    PERFORM tsql.fail(2628, 'statement', format('String or binary data would be truncated in table ''%s'', column ''%s''. Truncated value: ''%s''.', table_name, column_name, ''));
  END IF;
  RETURN v;
END $$;
CREATE FUNCTION tsql.int_text(v bigint, size int) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT CASE WHEN length(v::text) > size THEN '*' ELSE v::text END $$;
CREATE FUNCTION tsql.checked_text(v text, size int, source text, target text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF length(v) > size THEN PERFORM tsql.fail(8115, 'statement', format('Arithmetic overflow error converting %s to data type %s.', source, target)); END IF;
  RETURN v;
END $$;

-- varchar holds code page 1252: anything else becomes a question mark
CREATE FUNCTION tsql.to_varchar(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT CASE WHEN v COLLATE pg_catalog.pg_c_utf8 ~ '[^\\u0001-\\u00ff]' THEN regexp_replace(v COLLATE pg_catalog.pg_c_utf8, '[^\\u0001-\\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]', '?', 'g') ELSE v END $$;

CREATE FUNCTION tsql.bytes_of_text(v text, wide boolean) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result bytea := ''; code int;
BEGIN
  IF NOT wide THEN RETURN convert_to(tsql.to_varchar(v), 'WIN1252'); END IF;
  FOR i IN 1..length(v) LOOP
    code := ascii(substr(v, i, 1));
    IF code > 65535 THEN
      code := code - 65536;
      result := result || set_byte(set_byte('\\x0000'::bytea, 0, (55296 + (code >> 10)) & 255), 1, (55296 + (code >> 10)) >> 8)
        || set_byte(set_byte('\\x0000'::bytea, 0, (56320 + (code & 1023)) & 255), 1, (56320 + (code & 1023)) >> 8);
    ELSE
      result := result || set_byte(set_byte('\\x0000'::bytea, 0, code & 255), 1, code >> 8);
    END IF;
  END LOOP;
  RETURN result;
END $$;
CREATE FUNCTION tsql.text_of_bytes(v bytea, wide boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result text := ''; code int; i int := 0;
BEGIN
  WHILE i < length(v) LOOP
    code := get_byte(v, i);
    i := i + 1;
    IF wide AND i < length(v) THEN code := code + get_byte(v, i) * 256; i := i + 1; END IF;
    IF code > 0 THEN result := result || chr(code); END IF;
  END LOOP;
  RETURN result;
END $$;
CREATE FUNCTION tsql.bytes_of_int(v bigint, size int) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT substring(decode(lpad(to_hex(v), 16, CASE WHEN v < 0 THEN 'f' ELSE '0' END), 'hex') FROM 9 - size FOR size) $$;
-- the last bytes of a binary value as a number of that many bytes
CREATE FUNCTION tsql.int_of_bytes(v bytea, size int) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT CASE size WHEN 1 THEN tsql.int_of_bytes(v) & 255 ELSE (tsql.int_of_bytes(v) << (64 - 8 * size)) >> (64 - 8 * size) END $$;
CREATE FUNCTION tsql.bytes_of_hex(v text, marked boolean, source text) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF v !~ (CASE WHEN marked THEN '^0[xX]' ELSE '^' END || '([0-9a-fA-F]{2})*$') THEN
    PERFORM tsql.fail(8114, 'transaction', format('Error converting data type %s to varbinary.', source));
  END IF;
  RETURN decode(substr(v, CASE WHEN marked THEN 3 ELSE 1 END), 'hex');
END $$;
CREATE FUNCTION tsql.int_of_bytes(v bytea) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT ('x' || lpad(right(encode(v, 'hex'), 16), 16, '0'))::bit(64)::bigint $$;

-- a LIKE pattern as a regular expression
CREATE FUNCTION tsql.like_regex(pattern text, escape text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE result text := '^'; c text; i int := 1; stop int; body text;
BEGIN
  IF pattern IS NULL THEN RETURN NULL; END IF;
  WHILE i <= length(pattern) LOOP
    c := substr(pattern, i, 1);
    IF escape IS NOT NULL AND c = escape THEN
      i := i + 1;
      result := result || regexp_replace(substr(pattern, i, 1), '([^[:alnum:]_ ])', '\\\\\\1');
    ELSIF c = '%' THEN result := result || '.*';
    ELSIF c = '_' THEN result := result || '.';
    ELSIF c = '[' THEN
      stop := position(']' IN substr(pattern, i + 1));
      IF stop = 0 THEN RETURN '(?!)'; END IF;
      body := substr(pattern, i + 1, stop - 1);
      i := i + stop;
      IF body = '' THEN RETURN '(?!)'; END IF;
      result := result || '[' || CASE WHEN left(body, 1) = '^' AND length(body) > 1 THEN '^' ELSE '' END
        || regexp_replace(CASE WHEN left(body, 1) = '^' AND length(body) > 1 THEN substr(body, 2) ELSE body END, '([\\[\\\\^])', '\\\\\\1', 'g') || ']';
    ELSE result := result || regexp_replace(c, '([^[:alnum:]_ ])', '\\\\\\1');
    END IF;
    i := i + 1;
  END LOOP;
  RETURN result || '$';
END $$;

CREATE FUNCTION tsql.patindex(pattern text, v text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE re text := tsql.like_regex(pattern, NULL);
BEGIN
  FOR i IN 1..length(v) LOOP
    IF left(pattern, 1) <> '%' AND i > 1 THEN EXIT; END IF;
    IF substr(v, i) ~* (CASE WHEN left(pattern, 1) = '%' THEN '^' || substr(re, 4) ELSE re END) THEN RETURN i; END IF;
  END LOOP;
  RETURN 0;
END $$;

CREATE FUNCTION tsql.charindex(what text, v text, start int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS $$
SELECT CASE WHEN what = '' THEN 0 ELSE coalesce(nullif(strpos(substr(lower(v), greatest(start, 1)), lower(what)), 0) + greatest(start, 1) - 1, 0) END $$;
CREATE FUNCTION tsql.replace(v text, what text, by text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE low text := lower(v); needle text := lower(what); result text := ''; at int; rest int := 1;
BEGIN
  IF needle = '' OR strpos(low, needle) = 0 THEN RETURN v; END IF;
  LOOP
    at := strpos(substr(low, rest), needle);
    IF at = 0 THEN RETURN result || substr(v, rest); END IF;
    result := result || substr(v, rest, at - 1) || by;
    rest := rest + at - 1 + length(what);
  END LOOP;
END $$;
CREATE FUNCTION tsql.stuff(v text, start int, count int, by text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN v IS NULL OR start IS NULL OR count IS NULL OR start < 1 OR start > length(v) OR count < 0 THEN NULL ELSE left(v, start - 1) || coalesce(by, '') || substr(v, start + count) END $$;
CREATE FUNCTION tsql.substring(v text, start int, count int) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF count < 0 THEN PERFORM tsql.fail(537, 'statement', 'Invalid length parameter passed to the LEFT or SUBSTRING function.'); END IF;
  RETURN substr(v, greatest(start, 1), greatest(0, count + least(start - 1, 0)));
END $$;
CREATE FUNCTION tsql.side(v text, count int, from_left boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF count < 0 THEN PERFORM tsql.fail(536, 'statement', format('Invalid length parameter passed to the %s function.', CASE WHEN from_left THEN 'left' ELSE 'right' END)); END IF;
  RETURN CASE WHEN count = 0 THEN '' WHEN from_left THEN left(v, count) ELSE right(v, count) END;
END $$;
CREATE FUNCTION tsql.translate(v text, what text, by text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF length(what) <> length(by) THEN
    PERFORM tsql.fail(9828, 'statement', 'The second and third arguments of the TRANSLATE built-in function must contain an equal number of characters.');
  END IF;
  RETURN translate(v, what, by);
END $$;
CREATE FUNCTION tsql.str(v float8, size int, digits int) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT CASE WHEN length(round(v::numeric, digits)::text) > size THEN repeat('*', size) ELSE lpad(round(v::numeric, digits)::text, size) END $$;
CREATE FUNCTION tsql.quotename(v text, mark text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN v IS NULL OR length(v) > 128 THEN NULL
  WHEN mark IN ('[', ']') THEN '[' || replace(v, ']', ']]') || ']'
  WHEN mark IN ('''', '"', '\`') THEN mark || replace(v, mark, mark || mark) || mark
  WHEN mark IN ('(', ')') THEN '(' || replace(v, ')', '))') || ')'
  WHEN mark IN ('{', '}') THEN '{' || replace(v, '}', '}}') || '}'
  WHEN mark IN ('<', '>') THEN '<' || replace(v, '>', '>>') || '>' END $$;

CREATE FUNCTION tsql.checked_datediff(n bigint) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF n NOT BETWEEN -2147483648 AND 2147483647 THEN
    PERFORM tsql.fail(535, 'statement', 'The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.');
  END IF;
  RETURN n;
END $$;

CREATE FUNCTION tsql.datediff(part text, a timestamp, b timestamp) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN CASE part
    WHEN 'year' THEN extract(year FROM b) - extract(year FROM a)
    WHEN 'quarter' THEN (extract(year FROM b) - extract(year FROM a)) * 4 + extract(quarter FROM b) - extract(quarter FROM a)
    WHEN 'month' THEN (extract(year FROM b) - extract(year FROM a)) * 12 + extract(month FROM b) - extract(month FROM a)
    WHEN 'day' THEN b::date - a::date
    WHEN 'week' THEN floor((b::date - '1899-12-31'::date) / 7.0) - floor((a::date - '1899-12-31'::date) / 7.0)
    WHEN 'hour' THEN extract(epoch FROM date_trunc('hour', b) - date_trunc('hour', a)) / 3600
    WHEN 'minute' THEN extract(epoch FROM date_trunc('minute', b) - date_trunc('minute', a)) / 60
    WHEN 'second' THEN extract(epoch FROM date_trunc('second', b) - date_trunc('second', a))
    WHEN 'millisecond' THEN extract(epoch FROM date_trunc('milliseconds', b) - date_trunc('milliseconds', a)) * 1000
    WHEN 'microsecond' THEN extract(epoch FROM b - a) * 1000000
    WHEN 'nanosecond' THEN extract(epoch FROM b - a) * 1000000000
  END;
END $$;
CREATE FUNCTION tsql.dateadd(part text, n bigint, v timestamp, type text) RETURNS timestamp LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result timestamp;
BEGIN
  result := CASE part
    WHEN 'year' THEN v + n * interval '1 year' WHEN 'quarter' THEN v + n * interval '3 months' WHEN 'month' THEN v + n * interval '1 month'
    WHEN 'day' THEN v + n * interval '1 day' WHEN 'week' THEN v + n * interval '7 days' WHEN 'hour' THEN v + n * interval '1 hour'
    WHEN 'minute' THEN v + n * interval '1 minute' WHEN 'second' THEN v + n * interval '1 second'
    WHEN 'millisecond' THEN v + n * interval '1 millisecond' WHEN 'microsecond' THEN v + n * interval '1 microsecond'
    WHEN 'nanosecond' THEN v + (n / 1000) * interval '1 microsecond' END;
  IF result > '9999-12-31 23:59:59.999999' OR result < (CASE WHEN type = 'datetime' THEN '1753-01-01'::timestamp ELSE '0001-01-01'::timestamp END) THEN
    PERFORM tsql.fail(517, 'statement', format('Adding a value to a ''%s'' column caused an overflow.', type));
  END IF;
  RETURN result;
END $$;
CREATE FUNCTION tsql.isnumeric(v text) RETURNS int LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN btrim(v) ~ '^[+-]?[$€£¥]?([0-9][0-9,]*\\.?[0-9]*|\\.[0-9]+)([eEdD][+-]?[0-9]+)?$' OR btrim(v) IN ('+', '-', '.', '$', ',') THEN 1 ELSE 0 END $$;
${tryVersions}`;
