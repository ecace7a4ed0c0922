package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sysc/internal/atomicfile"
	"sysc/store/tree"
	"sysc/systems/composefs"
	"sysc/systems/livemount"
)

// Where things are below a machine's data, as package earlyboot mounts them.
const (
	blobsDir = "sysc/blobs"
	// EtcDir has what the machine changed in /etc, and where the kernel works on that.
	EtcDir   = "sysc/state/etc"
	upperDir = EtcDir + "/upper"
	// WorkPrefix begins the names, in EtcDir, of further directories to work in: one that
	// an overlay has is its own for as long as anybody uses the overlay.
	WorkPrefix = "work-"
)

// Where things are in the directory of what is true until the machine is started again.
const (
	// StateName is the file that says what is mounted.
	StateName = "live.json"
	asideName = "aside"
)

// A Machine is the one that runs here.
type Machine struct {
	// Root is its root directory, Data the directory where its data partition is mounted,
	// and Run one of its own for what is true until it is started again.
	Root, Data, Run string
	// Source has the trees of its generations, and the contents of their files.
	Source Source
	// BlobPath says where the contents of a file are, below the directory of blobs.
	BlobPath func(e *tree.Entry) string
}

// A state is what is known of a machine that runs.
type state struct {
	// Generation is what is mounted.
	Generation int `json:"generation"`
	// Stopped are units that are to be started again.
	Stopped []string `json:"stopped,omitempty"`
}

// Mounted returns the number of the generation that is mounted, 0 when it is the one that
// was booted.
func (m *Machine) Mounted() (int, error) {
	s, err := m.state()
	return s.Generation, err
}

func (m *Machine) state() (state, error) {
	var s state
	data, err := os.ReadFile(filepath.Join(m.Run, StateName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read what is mounted: %w", err)
	}
	return s, nil
}

func (m *Machine) setState(s state) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.Run, 0o755); err != nil {
		return err
	}
	return atomicfile.WriteFile(filepath.Join(m.Run, StateName), data, 0o644)
}

// A replacement is a mounted directory that takes the place of another.
type replacement struct {
	tree   *livemount.Tree
	target string
}

// open mounts a generation aside and returns what is to be replaced by it. dirs are
// top-level directories beside etc, "usr" among them.
func (m *Machine) open(side *Side, dirs []string) (list []replacement, err error) {
	aside := filepath.Join(m.Run, asideName)
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return nil, err
	}
	if err := composefs.Mount(filepath.Join(m.Data, side.Image), filepath.Join(m.Data, blobsDir), aside); err != nil {
		return nil, err
	}
	// What was taken out of it stays.
	defer func() { err = errors.Join(err, unix.Unmount(aside, unix.MNT_DETACH)) }()
	add := func(tree *livemount.Tree, err error, target string) error {
		if err != nil {
			closeAll(list)
			return err
		}
		list = append(list, replacement{tree, filepath.Join(m.Root, target)})
		return nil
	}
	for _, dir := range dirs {
		tree, err := livemount.Clone(filepath.Join(aside, dir))
		if err := add(tree, err, dir); err != nil {
			return nil, err
		}
	}
	work, err := os.MkdirTemp(filepath.Join(m.Data, EtcDir), WorkPrefix)
	if err != nil {
		closeAll(list)
		return nil, err
	}
	tree, err := livemount.Overlay(filepath.Join(aside, "etc"), filepath.Join(m.Data, upperDir), work)
	return list, add(tree, err, "etc")
}

func closeAll(list []replacement) {
	for _, r := range list {
		r.tree.Close()
	}
}
