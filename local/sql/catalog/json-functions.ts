/**
 * JSON_VALUE and its like. The type `json` keeps a document's text as it is, which is what T-SQL returns; a path becomes
 * its steps, each with the mark of its kind ('.name' or '[3'), behind the word `lax` or `strict`.
 */
export const jsonFunctions = `
CREATE FUNCTION tsql.json_of(v text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE start text := left(ltrim(v, E' \\t\\r\\n'), 1); context text; token text; at int := length(v) - length(ltrim(v, E' \\t\\r\\n')); c text := start;
BEGIN
  IF start IN ('{', '[') THEN
    BEGIN
      RETURN v::json;
    EXCEPTION WHEN data_exception THEN
      GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT, token = PG_EXCEPTION_DETAIL;
      context := regexp_replace(split_part(context, E'\\n', 1), '^JSON data, line [0-9]+: (\\.\\.\\.)?', '');
      token := coalesce(substring(token FROM '"(.*)"'), '');
      at := greatest(0, length(context) - strpos(reverse(context), reverse(token)) - length(token) + 1);
      c := substr(v, at + 1, 1);
    END;
  END IF;
  PERFORM tsql.fail(13609, 'statement', format('JSON text is not properly formatted. Unexpected character ''%s'' is found at position %s.', c, at));
END $$;

CREATE FUNCTION tsql.isjson(v text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN CASE WHEN json_typeof(v::json) IN ('object', 'array') THEN 1 ELSE 0 END;
EXCEPTION WHEN data_exception THEN RETURN 0;
END $$;

CREATE FUNCTION tsql.json_path(path text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE m text[] := regexp_match(path, '^\\s*(?:(lax|strict)\\s+)?\\$(.*)$'); rest text := m[2]; step text[]; result text[];
BEGIN
  result := ARRAY[coalesce(m[1], 'lax')];
  WHILE rest <> '' LOOP
    step := regexp_match(rest, '^(?:\\.([[:alpha:]_$][[:alnum:]_$]*)|\\."((?:[^"\\\\]|\\\\.)*)"|\\[([0-9]+)\\])(.*)$');
    EXIT WHEN step IS NULL;
    result := result || coalesce('.' || step[1], '.' || step[2], '[' || step[3]);
    rest := step[4];
  END LOOP;
  IF m IS NULL OR rest <> '' THEN
    rest := coalesce(rest, path);
    PERFORM tsql.fail(13607, 'statement', format('JSON path is not properly formatted. Unexpected character ''%s'' is found at position %s.', left(rest, 1), length(path) - length(rest)));
  END IF;
  RETURN result;
END $$;

CREATE FUNCTION tsql.json_find(j json, path text[]) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  FOR i IN 2..array_length(path, 1) LOOP
    IF (json_typeof(j) <> CASE left(path[i], 1) WHEN '.' THEN 'object' ELSE 'array' END) THEN j := NULL;
    ELSIF left(path[i], 1) = '.' THEN j := j -> substr(path[i], 2);
    ELSE j := j -> substr(path[i], 2)::int;
    END IF;
    EXIT WHEN j IS NULL;
  END LOOP;
  IF j IS NULL AND path[1] = 'strict' THEN PERFORM tsql.fail(13608, 'statement', 'Property cannot be found on the specified JSON path.'); END IF;
  RETURN j;
END $$;

CREATE FUNCTION tsql.json_value(v text, path text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE steps text[] := tsql.json_path(path); j json := tsql.json_find(tsql.json_of(v), steps);
BEGIN
  IF json_typeof(j) IN ('object', 'array') THEN
    IF steps[1] = 'strict' THEN PERFORM tsql.fail(13623, 'statement', 'Scalar value cannot be found in the specified JSON path.'); END IF;
    RETURN NULL;
  END IF;
  RETURN CASE WHEN length(j #>> '{}') <= 4000 THEN j #>> '{}' END;
END $$;
CREATE FUNCTION tsql.json_query(v text, path text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE steps text[] := tsql.json_path(path); j json := tsql.json_find(tsql.json_of(v), steps);
BEGIN
  IF json_typeof(j) NOT IN ('object', 'array') THEN
    IF steps[1] = 'strict' THEN PERFORM tsql.fail(13624, 'statement', 'Object or array cannot be found in the specified JSON path.'); END IF;
    RETURN NULL;
  END IF;
  RETURN j::text;
END $$;

-- the rows of OPENJSON with a schema: the elements of an array, or an object itself
CREATE FUNCTION tsql.json_rows(v text, path text) RETURNS SETOF text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE j json := tsql.json_find(tsql.json_of(v), tsql.json_path(path));
BEGIN
  IF json_typeof(j) = 'array' THEN RETURN QUERY SELECT e::text FROM json_array_elements(j) e;
  ELSIF json_typeof(j) = 'object' THEN RETURN NEXT j::text;
  END IF;
END $$;
CREATE FUNCTION tsql.open_json(v text, path text) RETURNS TABLE (key text, value text, type int) LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE j json := tsql.json_find(tsql.json_of(v), tsql.json_path(path));
BEGIN
  RETURN QUERY SELECT p.k, CASE WHEN json_typeof(p.e) IN ('object', 'array') THEN p.e::text ELSE p.e #>> '{}' END,
      CASE json_typeof(p.e) WHEN 'null' THEN 0 WHEN 'string' THEN 1 WHEN 'number' THEN 2 WHEN 'boolean' THEN 3 WHEN 'array' THEN 4 ELSE 5 END
    FROM (SELECT a.k, a.e FROM json_each(CASE WHEN json_typeof(j) = 'object' THEN j END) a(k, e)
      UNION ALL SELECT (b.n - 1)::text, b.e FROM json_array_elements(CASE WHEN json_typeof(j) = 'array' THEN j END) WITH ORDINALITY b(e, n)) p;
END $$;

CREATE FUNCTION tsql.json_string(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT replace(to_json(v)::text, '/', '\\/') $$;

-- a document with one value changed, removed (by NULL) or added; with nothing to do it is written as it came, or not supported
CREATE FUNCTION tsql.json_rebuilt(j json, path text[], at int, new text, change boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE step text := path[at]; name text := substr(path[at], 2); last boolean := at = array_length(path, 1); parts text[]; found boolean := false; e record;
BEGIN
  IF step IS NULL THEN RETURN CASE WHEN change THEN coalesce(new, 'null') ELSE j::text END; END IF;
  IF (json_typeof(j) <> CASE left(step, 1) WHEN '.' THEN 'object' ELSE 'array' END) THEN RETURN j::text; END IF;
  IF left(step, 1) = '.' THEN
    FOR e IN SELECT * FROM json_each(j) LOOP
      IF e.key = name THEN
        found := true;
        CONTINUE WHEN change AND last AND new IS NULL AND path[1] = 'lax';
        parts := parts || (to_json(e.key)::text || ':' || tsql.json_rebuilt(e.value, path, at + 1, new, change));
      ELSE parts := parts || (to_json(e.key)::text || ':' || e.value::text);
      END IF;
    END LOOP;
    IF change AND last AND NOT found AND new IS NOT NULL THEN parts := parts || (tsql.json_string(name) || ':' || new); END IF;
    RETURN '{' || coalesce(array_to_string(parts, ','), '') || '}';
  END IF;
  FOR e IN SELECT * FROM json_array_elements(j) WITH ORDINALITY a(value, n) LOOP
    parts := parts || CASE WHEN e.n - 1 = name::int THEN tsql.json_rebuilt(e.value, path, at + 1, new, change) ELSE e.value::text END;
  END LOOP;
  RETURN '[' || coalesce(array_to_string(parts, ','), '') || ']';
END $$;
CREATE FUNCTION tsql.json_modify(v text, path text, new text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE append boolean := path ~ '^\\s*append\\s'; steps text[] := tsql.json_path(regexp_replace(path, '^\\s*append\\s+', '')); j json := tsql.json_of(v); target json;
BEGIN
  IF v IS NULL OR path IS NULL THEN RETURN NULL; END IF;
  target := tsql.json_find(j, steps);
  IF tsql.json_rebuilt(j, steps, 2, NULL, false) <> v THEN
    PERFORM tsql.fail(49999, 'batch', 'The local SQL stand-in does not support JSON_MODIFY of a document with blanks between its parts. SQL Server may; see local/sql/README.md.');
  END IF;
  IF append AND json_typeof(target) = 'array' THEN
    new := regexp_replace(target::text, '\\s*\\]$', '') || CASE WHEN json_array_length(target) > 0 THEN ',' ELSE '' END || coalesce(new, 'null') || ']';
  ELSIF append AND target IS NULL THEN new := '[' || coalesce(new, 'null') || ']';
  ELSIF append THEN RETURN v;
  END IF;
  RETURN tsql.json_rebuilt(j, steps, 2, new, true);
END $$;
`;
