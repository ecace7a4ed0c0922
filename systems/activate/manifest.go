package activate

import (
	"fmt"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// ReadManifest returns the manifest of a generation from the machine itself, so
// that no store is needed to say what the machine is made of. It is checked
// against the digest in the record.
func ReadManifest(root string, r *generation.Record) (*systems.Manifest, error) {
	dir, err := rootdir.Open(root, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return readManifest(dir, r)
}

func readManifest(dir *rootdir.Dir, r *generation.Record) (*systems.Manifest, error) {
	data, err := dir.ReadFile(objectsDir+"/"+string(r.System)+"/"+systems.ManifestName, systems.MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("read manifest of generation %d: %w", r.Number, err)
	}
	if got := store.DigestOf(data); got != r.Manifest {
		return nil, fmt.Errorf("read manifest of generation %d: it was changed: %s, recorded as %s", r.Number, got, r.Manifest)
	}
	m, err := systems.ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read manifest of generation %d: %v", r.Number, err)
	}
	return m, nil
}
