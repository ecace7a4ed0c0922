package build

import (
	"context"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/localstore"
)

// A Store is what realising needs of a store; localstore.Store has it. All
// methods are safe for concurrent use, and "not there" is store.ErrNotExist,
// wrapped.
type Store interface {
	builtin.Store
	// Realisation returns the object recorded for an output. It need not be valid.
	Realisation(ctx context.Context, d store.DerivationHash, output string) (store.Path, error)
	// Realisations is Realisation for many at once; what is missing is missing in the
	// result.
	Realisations(ctx context.Context, keys []localstore.RealisationKey) (map[localstore.RealisationKey]store.Path, error)
	// Valid returns which objects are valid; they stay so.
	Valid(ctx context.Context, paths []store.Path) (map[store.Path]bool, error)
	// Outcomes returns what is known of what derivations as evaluated came to, and
	// KeepOutcomes keeps what was found since.
	Outcomes(ctx context.Context, keys []localstore.OutcomeKey) (map[localstore.OutcomeKey]store.Path, localstore.OutcomeAge, error)
	KeepOutcomes(ctx context.Context, age localstore.OutcomeAge, outcomes map[localstore.OutcomeKey]store.Path) error
	// MakeObject describes an object with a tree that the store has.
	MakeObject(ctx context.Context, name string, kind store.Kind, tree store.Digest, refs []store.Path) (store.Object, error)
	// AddDir reads what a builder left.
	AddDir(ctx context.Context, dir string, o *localstore.AddOptions) (store.Object, error)
	// Register makes objects valid and records realisations, durably, all or
	// nothing.
	Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error
	// Adopt makes an object valid again that is whole on disk.
	Adopt(ctx context.Context, p store.Path) (store.Object, error)
	Closure(ctx context.Context, paths []store.Path) ([]store.Path, error)
	// FindReference shows where an object, valid or only made, refers to another.
	FindReference(ctx context.Context, o store.Object, to store.Path) (localstore.Edge, error)
	PhysicalPath(p store.Path) string
	CheckoutDir(ctx context.Context, tree store.Digest) (dir string, err error)
	Checkout(ctx context.Context, tree store.Digest, dst string, o store.CheckoutOptions) error
	TempDir(ctx context.Context, pattern string) (dir string, remove func() error, err error)
	// KeepFailed moves a directory of TempDir to where it stays for a while.
	KeepFailed(dir, name string) (kept string, err error)
	Lock(ctx context.Context, key string, wait func(holder string)) (unlock func() error, err error)
	LogDir() string
}
