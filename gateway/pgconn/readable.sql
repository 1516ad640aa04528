  -- In a database of another encoding a text may hold what UTF-8 cannot say, with which nothing would
  -- be sent to any client: a byte becomes the character of its number, and anything longer U+FFFD.
  IF getdatabaseencoding() <> 'UTF8' THEN
    DECLARE
      one text;
    BEGIN
      PERFORM convert_to(TEXT, 'UTF8');
    EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
      FOR one IN SELECT DISTINCT c FROM regexp_split_to_table(TEXT, '') c WHERE get_byte(convert_to(c, getdatabaseencoding()), 0) > 127 LOOP
        BEGIN
          PERFORM convert_to(one, 'UTF8');
        EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
          TEXT := replace(TEXT, one, concat(chr(92), 'u', CASE octet_length(one) WHEN 1 THEN lpad(to_hex(get_byte(convert_to(one, getdatabaseencoding()), 0)), 4, '0') ELSE 'fffd' END));
        END;
      END LOOP;
    END;
  END IF;
