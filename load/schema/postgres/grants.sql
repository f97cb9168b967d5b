-- Who may do what, applied last, whenever the schema changes.  Nobody sees
-- anything but the owner, and service_role where there is one, as Supabase has it:
-- its public key is anon's, and it lets anon and authenticated do all with what is
-- new.  Row level security, with no policies, stands behind that.
--
-- All of this is about what our files make, by its name, and its partitions; what
-- else the schema holds is somebody else's.  Done again, it changes nothing.

DO $$
DECLARE
	ours text[] := db_ours();
	our_functions text[] := ARRAY['make_partition', 'make_partitions',
		'db_ours', 'leave_row', 'note_restated_product', 'note_restated_total', 'db_utc', 'db_key', 'db_tables', 'db_changes',
		'db_statement', 'db_looks_new', 'db_make_partitions', 'db_refused',
		'db_last', 'db_merge_each', 'db_merge', 'db_load', 'db_relation',
		'db_column', 'db_rows', 'db_records', 'db_query_sql', 'db_query',
		'db_list', 'db_claim', 'db_prune'];
	others text := (SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles
		WHERE rolname IN ('anon', 'authenticated'));
	service text := (SELECT quote_ident(rolname) FROM pg_roles
		WHERE rolname = 'service_role');
	r record;
BEGIN
	-- Whoever can make functions here can make one that is taken for the server's own, by
	-- whoever uses ours.
	IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
			WHERE n.oid = quote_ident(current_schema())::regnamespace
				AND a.privilege_type = 'CREATE' AND (a.grantee = 0
					OR pg_get_userbyid(a.grantee) IN ('anon', 'authenticated'))) THEN
		RAISE SQLSTATE '3F000' USING MESSAGE = format('everybody may create things in the schema '
			'%s, and be run by whoever uses ours: REVOKE CREATE ON SCHEMA %1$I FROM %s',
			current_schema(), concat_ws(', ', 'PUBLIC', others));
	END IF;
	others := concat_ws(', ', 'PUBLIC', others);
	FOR r IN
		SELECT c.oid::regclass AS name, c.relkind, c.relrowsecurity,
			c.relispartition
		FROM pg_class c
		WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
			AND c.relkind IN ('r', 'p', 'v')
			AND (c.relname = ANY (ours) OR EXISTS (
				SELECT 1 FROM pg_inherits i
				JOIN pg_class p ON p.oid = i.inhparent
				WHERE i.inhrelid = c.oid AND c.relispartition
					AND p.relnamespace = c.relnamespace
					AND p.relname = ANY (ours)))
		ORDER BY c.oid
	LOOP
		IF r.relkind <> 'v' AND NOT r.relrowsecurity THEN
			EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.name);
		END IF;
		EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', r.name, others);
		CONTINUE WHEN service IS NULL;
		EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', r.name, service);
		CONTINUE WHEN r.relispartition; -- used through its table alone
		EXECUTE format('GRANT %s ON TABLE %s TO %s', CASE r.relkind
				WHEN 'v' THEN 'SELECT'
				ELSE 'SELECT, INSERT, UPDATE, DELETE' END,
			r.name, service);
	END LOOP;
	FOR r IN
		SELECT p.oid::regprocedure AS name FROM pg_proc p
		WHERE p.pronamespace = quote_ident(current_schema())::regnamespace
			AND p.proname = ANY (our_functions)
		ORDER BY p.oid
	LOOP
		EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', r.name, others);
		IF service IS NOT NULL THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', r.name, service);
		END IF;
	END LOOP;
	IF service IS NOT NULL
			AND NOT has_schema_privilege('service_role', current_schema(), 'USAGE') THEN
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', current_schema(), service);
	END IF;
END $$;
