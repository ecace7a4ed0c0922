package localstore

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// overwrite changes a file of the store behind its back; its time stays.
func overwrite(t testing.TB, path, content string) {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, []byte(content), 0o644))
	must(t, os.Chmod(path, info.Mode().Perm()))
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, storeTimes, unix.AT_SYMLINK_NOFOLLOW))
}

func (s *Store) blobPath(content string) string {
	d := store.DigestOf([]byte(content))
	return s.path("blobs/" + shardName(d[0]) + "/" + shardedName(d))
}

// damaged is a store with all kinds of things to damage.
type damaged struct {
	*Store
	lib, app, root, file store.Object
	checkout             string
}

func newDamaged(t testing.TB) *damaged {
	ctx := t.Context()
	s := newStore(t)
	d := &damaged{Store: s}
	d.lib = add(t, s, AddOptions{Name: "lib"}, "lib/lib.so=library", "doc/readme=text")
	d.app = add(t, s, AddOptions{Name: "app", Candidates: []store.Path{d.lib.Path}}, "bin/app*=uses "+d.lib.Path.ID(), "bin/copy=uses "+d.lib.Path.ID(), "doc/readme=text")
	d.root = add(t, s, AddOptions{Name: "root", Kind: store.KindRoot}, "etc/motd=hello", "doc/readme=text")
	var err error
	d.file, err = s.AddDir(ctx, write(t, "f=plain")+"/f", &AddOptions{Name: "file"})
	must(t, err)
	must(t, s.Register(ctx, []store.Object{d.lib, d.app, d.root, d.file}, []store.Realisation{
		{Derivation: store.DerivationHash{1}, Output: "out", Path: d.app.Path},
		{Derivation: store.DerivationHash{2}, Output: "doc", Path: d.lib.Path},
	}))
	d.checkout, err = s.CheckoutDir(ctx, d.root.Tree)
	must(t, err)
	verify(t, s)
	return d
}

func (d *damaged) repair(t testing.TB, from ...*Store) RepairResult {
	t.Helper()
	result, err := d.Repair(t.Context(), from, func(p Problem) { t.Log(p) })
	must(t, err)
	return result
}

// realisationPath is the file of the realisation of app.
func (d *damaged) realisationPath() string {
	name := realisationName(store.Realisation{Derivation: store.DerivationHash{1}, Output: "out"})
	return d.path("realisations/" + shardName(name[0]) + "/" + shardedName(name))
}

// TestRepair: what a store has itself mends these.
func TestRepair(t *testing.T) {
	for name, change := range map[string]func(d *damaged){
		"object changed": func(d *damaged) {
			// Not through the link that it is, which would be the blob.
			path := d.PhysicalPath(d.lib.Path) + "/doc"
			must(t, os.Chmod(path, 0o755))
			must(t, os.Remove(path+"/readme"))
			must(t, os.WriteFile(path+"/readme", []byte("texT"), 0o444))
		},
		"object gone": func(d *damaged) { must(t, d.discard(t.Context(), d.PhysicalPath(d.lib.Path))) },
		"file gone":   func(d *damaged) { must(t, os.Remove(d.PhysicalPath(d.file.Path))) },
		"file changed": func(d *damaged) {
			must(t, os.Remove(d.PhysicalPath(d.file.Path)))
			must(t, os.Mkdir(d.PhysicalPath(d.file.Path), 0o755))
		},
		"mode of object":    func(d *damaged) { must(t, os.Chmod(d.PhysicalPath(d.app.Path)+"/bin", 0o777)) },
		"mode of blob":      func(d *damaged) { must(t, os.Chmod(d.blobPath("library"), 0o644)) },
		"time of blob":      func(d *damaged) { must(t, os.Chtimes(d.blobPath("library"), time.Now(), time.Now())) },
		"executable":        func(d *damaged) { overwrite(t, d.blobPath("uses "+d.lib.Path.ID())+".x", "uses something bad") },
		"blob, not its .x":  func(d *damaged) { overwrite(t, d.blobPath("uses "+d.lib.Path.ID()), "uses something bad") },
		"stranger":          func(d *damaged) { must(t, os.WriteFile(d.path("blobs/00/stranger"), nil, 0o444)) },
		"stranger in trees": func(d *damaged) { must(t, os.MkdirAll(d.path("trees/00/stranger/x"), 0o755)) },
		"check-out":         func(d *damaged) { must(t, os.Chmod(d.checkout+"/etc", 0o700)) },
		"record":            func(d *damaged) { overwrite(t, d.path("records/"+string(d.lib.Path)), "nonsense") },
		"record gone":       func(d *damaged) { must(t, os.Remove(d.path("records/"+string(d.root.Path)))) },
		"realisation": func(d *damaged) {
			files, err := os.ReadDir(d.path("realisations"))
			must(t, err)
			below, err := os.ReadDir(d.path("realisations/" + files[0].Name()))
			must(t, err)
			overwrite(t, d.path("realisations/"+files[0].Name()+"/"+below[0].Name()), "nonsense")
		},
		"realisation gone": func(d *damaged) {
			must(t, os.Remove(d.realisationPath()))
		},
		"realisation and its directory gone": func(d *damaged) {
			must(t, os.RemoveAll(filepath.Dir(d.realisationPath())))
		},
		"realisation that is a directory": func(d *damaged) {
			must(t, os.Remove(d.realisationPath()))
			must(t, os.Mkdir(d.realisationPath(), 0o755))
		},
		"row": func(d *damaged) {
			must(t, d.db.write(t.Context(), func(conn *sqlite.Conn) error {
				return sqlitex.Execute(conn, "UPDATE object SET tree = ?", &sqlitex.ExecOptions{Args: []any{d.lib.Tree[:]}})
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDamaged(t)
			must(t, os.MkdirAll(d.path("blobs/00"), 0o755))
			must(t, os.MkdirAll(d.path("trees/00"), 0o755))
			change(d)
			if got := d.repair(t); got.Found == 0 || got.Left != 0 || len(got.Lost) > 0 || got.Fetched > 0 {
				t.Errorf("%+v", got)
			}
			if got := verify(t, d.Store).Objects; got != 4 {
				t.Errorf("%d objects", got)
			}
			if _, err := os.ReadFile(d.realisationPath()); err != nil {
				t.Error(err)
			}
			for _, want := range []store.Object{d.lib, d.app, d.root, d.file} {
				got, err := d.Object(t.Context(), want.Path)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, %v; want %+v", got, err, want)
				}
			}
			if left, _ := os.ReadDir(d.path("tmp")); len(left) > 0 {
				t.Errorf("left in tmp: %v", left)
			}
			if got := d.repair(t); got.Found != 0 {
				t.Errorf("again: %+v", got)
			}
		})
	}
}

// TestRepairLost: what only the damaged file had comes from another store, or
// when it is made again.
func TestRepairLost(t *testing.T) {
	for name, change := range map[string]func(d *damaged){
		"blob":      func(d *damaged) { overwrite(t, d.blobPath("library"), "LIBRARY") },
		"blob gone": func(d *damaged) { must(t, os.Remove(d.blobPath("library"))) },
		"tree": func(d *damaged) {
			overwrite(t, d.path("trees/"+shardName(d.lib.Tree[0])+"/"+shardedName(d.lib.Tree)), "nonsense")
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := newDamaged(t)
			d := newDamaged(t)
			change(d)
			if got := d.repair(t, other.Store); got.Fetched != 1 || len(got.Lost) > 0 || got.Left != 0 {
				t.Errorf("from another store: %+v", got)
			}
			verify(t, d.Store)

			d = newDamaged(t)
			change(d)
			want := []store.Path{d.lib.Path, d.app.Path}
			slices.Sort(want)
			if got := d.repair(t); !slices.Equal(got.Lost, want) || got.Left != 0 {
				t.Errorf("by itself: %+v", got)
			}
			verify(t, d.expectObjects(t, 2))
			if _, err := d.Adopt(t.Context(), d.app.Path); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("adopted what is not there: %v", err)
			}
			// What it consists of comes back, and with it what refers to it.
			add(t, d.Store, AddOptions{Name: "again"}, "lib/lib.so=library", "doc/readme=text")
			if got, err := d.Adopt(t.Context(), d.app.Path); err != nil || !reflect.DeepEqual(got, d.app) {
				t.Errorf("adopted %+v, %v", got, err)
			}
			verify(t, d.expectObjects(t, 4))
		})
	}
}

func TestRebuild(t *testing.T) {
	ctx := t.Context()
	d := newDamaged(t)
	gone := add(t, d.Store, AddOptions{Name: "gone"}, "f=gone")
	register(t, d.Store, gone)
	realisations, err := d.allRealisations(ctx)
	must(t, err)
	must(t, os.Remove(d.blobPath("gone")))
	must(t, d.Close())
	must(t, os.WriteFile(d.path(databaseName), []byte(strings.Repeat("no database ", 1000)), 0o644))
	if _, err := Open(ctx, d.Dir(), nil); !errors.Is(err, ErrDamaged) {
		t.Fatalf("opened a damaged database: %v", err)
	}
	for range 2 { // the second time over a good one
		result, err := Rebuild(ctx, d.Dir(), nil)
		if err != nil || result.Objects != 4 || result.Realisations != 2 || len(result.Left) != 1 || result.Left[0].Object != gone.Path {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	d.Store = open(t, d.Dir())
	verify(t, d.expectObjects(t, 4))
	for _, want := range []store.Object{d.lib, d.app, d.root, d.file} {
		got, err := d.Object(ctx, want.Path)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if got, err := d.allRealisations(ctx); err != nil || !reflect.DeepEqual(got, realisations) {
		t.Errorf("%v, %v; want %v", got, err, realisations)
	}
}

// A database that is gone altogether is an empty store, until it is made anew.
func TestRebuildMissing(t *testing.T) {
	d := newDamaged(t)
	must(t, d.Close())
	must(t, removeDatabase(d.path(databaseName)))
	d.Store = open(t, d.Dir()).expectObjects(t, 0)
	must(t, d.Close())
	if result, err := Rebuild(t.Context(), d.Dir(), nil); err != nil || result.Objects != 4 {
		t.Fatalf("%+v, %v", result, err)
	}
	verify(t, open(t, d.Dir()).expectObjects(t, 4))
}
