package localstore

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// docs/formats.md has the tables of a database as they are.
func TestDocumentedSchema(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats.md")
	must(t, err)
	_, script, ok := strings.Cut(string(page), "```sql\n")
	script, _, ok2 := strings.Cut(script, "```")
	if !ok || !ok2 {
		t.Fatal("the page has no tables")
	}
	documented, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
	must(t, err)
	defer documented.Close()
	must(t, sqlitex.ExecuteScript(documented, script, nil))
	s := newStore(t)
	var got []string
	must(t, s.db.do(t.Context(), func(conn *sqlite.Conn) (err error) {
		got, err = schemaOf(conn)
		return err
	}))
	want, err := schemaOf(documented)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant as documented\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// schemaOf returns the statements that made what is in a database, without their
// spaces and comments.
func schemaOf(conn *sqlite.Conn) (statements []string, err error) {
	err = sqlitex.Execute(conn, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name", &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			var text strings.Builder
			for line := range strings.Lines(stmt.ColumnText(0)) {
				line, _, _ = strings.Cut(line, "--")
				for _, word := range strings.Fields(line) {
					text.WriteString(word + " ")
				}
			}
			statements = append(statements, text.String())
			return nil
		},
	})
	return statements, err
}

// The vectors of docs/formats.md for what only one store reads: processes of different
// versions share it.
func TestGoldenStore(t *testing.T) {
	vector := func(text string) []byte {
		data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		must(t, err)
		return data
	}
	digest := strings.Repeat("ab", 32)
	d := store.Digest(vector(digest))

	want := vector("64" + digest + "6f 22 " + hex.EncodeToString([]byte(fakeID('z')+"-x")))
	notes := note{object: store.Path(fakeID('z') + "-x")}.append(note{digest: d}.append(nil))
	if !bytes.Equal(notes, want) {
		t.Errorf("notes: got %x, want %x", notes, want)
	}

	files := map[string]remembered{
		"d/b": {dev: 1, ino: 2, size: 3, mtime: -1, ctime: 1_000_000_001, digest: d},
		"a":   {digest: d},
	}
	body := hex.EncodeToString([]byte("sysc files 1\n")) +
		"01000000 61" + strings.Repeat("00", 40) + digest +
		"03000000 642f62 0100000000000000 0200000000000000 0300000000000000 ffffffffffffffff 01ca9a3b00000000" + digest
	sum := store.DigestOf(vector(body))
	want = append(vector(body), sum[:]...)
	if got := encodeMemory(files); !bytes.Equal(got, want) {
		t.Errorf("cache: got %x, want %x", got, want)
	}
	if got := decodeMemory(want); !reflect.DeepEqual(got, files) {
		t.Errorf("cache: got %+v, want %+v", got, files)
	}

	self := []store.SelfReference{{File: "bin", Offset: 1}, {File: "me", Link: true, Offset: 12}}
	want = vector("03000000 62696e 00 0100000000000000 02000000 6d65 01 0c00000000000000")
	if got := encodeSelf(self); !bytes.Equal(got, want) {
		t.Errorf("self references: got %x, want %x", got, want)
	}
	if got, err := decodeSelf(want); err != nil || !reflect.DeepEqual(got, self) {
		t.Errorf("self references: got %+v, %v", got, err)
	}
}
