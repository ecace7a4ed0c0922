// Package export carries closures from one store to another as one stream of
// bytes: [Export] writes it, [Import] reads it. A file will do, or a pipe through
// ssh.
//
// A stream begins with a table of all that is in it: records of objects,
// references first, realisations, and who signed them. Then come contents, those
// of each object before the mark that it is complete. So the receiver knows before
// it writes anything whether it trusts all of it, whether it has what the stream
// builds on, and how much will come; and what has arrived stays when the stream
// breaks off. docs/formats.md has the format byte by byte.
//
// The bytes depend on nothing but what is exported. No blob is ever held in
// memory.
package export

import (
	"context"
	"io"
	"os"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// magic begins a stream; its number is that of the format.
const magic = "sysc export 1\n"

// A kind says what a frame holds.
type kind byte

const (
	kindHeader      kind = 'h' // length of the stream, number of records
	kindNeed        kind = 'n' // path of an object that the receiver must have
	kindRecord      kind = 'r' // store.EncodeRecord
	kindRealisation kind = 'm' // "derivation output path"
	kindSignature   kind = 's' // of the record or realisation before it
	kindContents    kind = 'c' // end of the table, with its digest
	kindBlob        kind = 'b' // digest and contents
	kindTree        kind = 't' // encoding
	kindComplete    kind = 'o' // path of an object that is complete now
	kindEnd         kind = 'e' // digest of all but the contents of blobs
)

// frameHead is the length of a frame's type and length, in bytes.
const frameHead = 1 + 8

// headerLen is the length of the header's payload.
const headerLen = 8 + 8

// Limits of a stream. One that exceeds them is neither written nor read.
const (
	// maxTable bounds the table, in bytes: it is held in memory.
	maxTable = 256 << 20
	// maxSignatures bounds those of one object or realisation.
	maxSignatures = 1000
	// maxText bounds frames that hold a line of text, in bytes.
	maxText = 1 << 10
)

// A Source is a store to export from. What Closure returns has to stay valid
// until the export is done.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
	Object(ctx context.Context, p store.Path) (store.Object, error)
	Valid(ctx context.Context, paths []store.Path) (map[store.Path]bool, error)
	Closure(ctx context.Context, paths []store.Path) ([]store.Path, error)
	RealisationsOf(ctx context.Context, paths []store.Path) ([]store.Realisation, error)
	Signatures(ctx context.Context, p store.Path) ([]sign.Signature, error)
	RealisationSignatures(ctx context.Context, r store.Realisation) ([]sign.Signature, error)
}

// A Destination is a store to import into. What was added to it, or found there,
// has to stay until the import is done. Register must make durable what an object
// consists of, and refuse one whose id is not what contents and references give.
// AddSignatures gets those by trusted keys, which are right, and AddHearsay those
// that anybody may have made up: how many of these it keeps is up to the store.
type Destination interface {
	tree.Source
	tree.Sink
	AddBlob(ctx context.Context, r io.Reader) (store.Digest, int64, error)
	HasBlob(ctx context.Context, d store.Digest, size int64) (bool, error)
	Object(ctx context.Context, p store.Path) (store.Object, error)
	Valid(ctx context.Context, paths []store.Path) (map[store.Path]bool, error)
	Realisation(ctx context.Context, d store.DerivationHash, output string) (store.Path, error)
	Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error
	AddSignatures(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error
	AddHearsay(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error
}

// Progress is told, now and then, how many bytes of how many are done. It is
// called by one goroutine at a time and must not block.
type Progress func(done, total int64)
