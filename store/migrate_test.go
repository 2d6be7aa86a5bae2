package store_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

// dialects runs a test on a ledger of each kind; dsn names an empty one.
func dialects(t *testing.T, run func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, storetest.Postgres(t)) })
}

// released returns the migrations of this release, to be changed.
func released(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(store.MigrationsSQL, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var content []byte
			content, err = fs.ReadFile(store.MigrationsSQL, path)
			files[path] = &fstest.MapFile{Data: content}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// steps returns the names of the migrations of this release, in their order.
func steps(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(store.MigrationsSQL, "migrations/sqlite/*.sql")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = strings.TrimSuffix(filepath.Base(n), ".sql")
	}
	return names
}

func with(files fstest.MapFS, name, sql string) fstest.MapFS {
	files = maps.Clone(files)
	for _, d := range []string{"sqlite", "postgres"} {
		files["migrations/"+d+"/"+name+".sql"] = &fstest.MapFile{Data: []byte(sql)}
	}
	return files
}

func TestMigrate(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		o := store.Options{DSN: dsn, Keys: storetest.Keys(t)}
		_, err := store.Open(t.Context(), o)
		refused(t, err, "run: ringback migrate")
		if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
			if _, err := os.Stat(path); err == nil {
				t.Error("Open made a file")
			}
		}

		migrate := func(files fs.FS, want ...string) {
			t.Helper()
			got, err := store.MigrateFrom(t.Context(), o, files)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("applied %v, %v; want %v", got, err, want)
			}
		}
		got, err := store.Migrate(t.Context(), o)
		if err != nil || !slices.Equal(got, steps(t)) {
			t.Fatalf("applied %v, %v", got, err)
		}
		migrate(store.MigrationsSQL)
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()

		next := with(released(t), "9001_next", "CREATE TABLE next (id TEXT); CREATE TABLE more (id TEXT);")
		_, err = store.MigrateFrom(t.Context(), o, with(next, "9002_broken", "CREATE TABLE half (id TEXT); CREATE TABLE next (id TEXT);"))
		refused(t, err, "9002_broken")
		if _, err := s.Pool(t).Exec("SELECT * FROM half"); err == nil {
			t.Error("a migration that failed left something behind")
		}
		migrate(with(next, "9002_whole", "CREATE TABLE half (id TEXT)"), "9002_whole")
		_, err = store.Open(t.Context(), o)
		refused(t, err, "newer release", "use that release")

		_, err = store.MigrateFrom(t.Context(), o, with(next, "9001_next", "CREATE TABLE other (id TEXT)"))
		refused(t, err, "another text of 9001_next")
	})
}

func TestOpenRefusesAnotherText(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		o := store.Options{DSN: dsn, Keys: storetest.Keys(t)}
		files := released(t)
		for _, f := range files {
			f.Data = append(slices.Clone(f.Data), "\n-- another text\n"...)
		}
		if _, err := store.MigrateFrom(t.Context(), o, files); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), o)
		refused(t, err, "another text of 0001_ledger")
	})
}

func TestMigrateAtOnce(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		applied := make(chan []string, 8)
		for range cap(applied) {
			go func() {
				got, err := store.Migrate(t.Context(), store.Options{DSN: dsn})
				if err != nil {
					t.Error(err)
				}
				applied <- got
			}()
		}
		n := 0
		for range cap(applied) {
			n += len(<-applied)
		}
		if want := len(steps(t)); n != want {
			t.Errorf("%d migrations were applied %d times in all", want, n)
		}
	})
}

func TestMigrateMakesAPrivateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a dir?#%", "ledger.db")
	o := store.Options{DSN: "sqlite:" + path, Keys: storetest.Keys(t), Migrate: true}
	_, err := store.Open(t.Context(), o)
	refused(t, err, "directory must exist")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := storetest.OpenAt(t, o)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v; want the database, its log and its index", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// The two dialects keep the same tables with the same columns.
func TestDialectsAgree(t *testing.T) {
	columns := func(dsn, query string) []string {
		s := storetest.OpenAt(t, store.Options{DSN: dsn, Keys: storetest.Keys(t)})
		rows, err := s.Pool(t).Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var c string
			if err := rows.Scan(&c); err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(all)
		return all
	}
	pg := columns(storetest.Postgres(t), `SELECT table_name || '.' || column_name || ' ' || is_nullable
		FROM information_schema.columns WHERE table_schema = current_schema()`)
	lite := columns(storetest.SQLite(t), `SELECT m.name || '.' || c.name || ' ' || iif(c."notnull" OR c.pk, 'NO', 'YES')
		FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`)
	if !slices.Equal(pg, lite) {
		t.Errorf("PostgreSQL has\n%v\nSQLite has\n%v", pg, lite)
	}
}

// TestMigrateFromTheFirstRelease: what it kept is there afterwards.
func TestMigrateFromTheFirstRelease(t *testing.T) {
	dialects(t, func(t *testing.T, dsn string) {
		o := store.Options{DSN: dsn, Keys: storetest.Keys(t)}
		first := released(t)
		maps.DeleteFunc(first, func(path string, _ *fstest.MapFile) bool { return !strings.Contains(path, "0001_") })
		if _, err := store.MigrateFrom(t.Context(), o, first); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), o)
		refused(t, err, "run: ringback migrate")
		if _, err := store.Migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
