package activate

import (
	"errors"
	"io/fs"

	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/health"
	"sysc/systems/rootdir"
)

// A Status is what a machine says of itself.
type Status struct {
	// Generations are all records, lowest number first; Broken are the numbers of
	// those whose records cannot be read.
	Generations []*generation.Record
	Broken      []generation.Number
	// Current is nil before the first switch.
	Current *generation.Record
	// Fallback is set when the machine was to run another generation and came back from it,
	// until the next change.
	Fallback *generation.Fallback
	// Boots is the generation that the boot loader takes, 0 when it has no entry.
	Boots generation.Number
	// Tries is how often the loader still tries it.
	Tries boot.Tries
	// Health is what came out of the health checks of Current the last time, nil when
	// they were not carried out.
	Health *health.Report
	// Last is how the last change went, nil before the first. An outcome of
	// generation.Started beside a lock that nobody holds is one that was killed.
	Last *generation.Activation
}

// ReadStatus reads the status of the machine whose root is at dir, without a
// lock: beside a switch it sees the state before it or after it. machine, if not nil, is
// the one that runs here.
func ReadStatus(dir string, machine *Machine) (*Status, error) {
	root, err := rootdir.Open(dir, false)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	p := generation.New(root)
	st := &Status{}
	if st.Generations, err = p.List(); err != nil {
		return nil, err
	}
	if st.Broken, err = p.Broken(); err != nil {
		return nil, err
	}
	if st.Current, err = p.Current(); err != nil {
		return nil, err
	}
	if st.Current != nil {
		if st.Health, err = p.Health(st.Current.Number); err != nil {
			return nil, err
		}
	}
	if st.Last, err = p.LastActivation(); err != nil {
		return nil, err
	}
	if st.Fallback, err = p.Fallback(); err != nil {
		return nil, err
	}
	partition, err := openPartition(machine)
	if err == nil && partition == nil {
		partition, err = root.Sub(bootDir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	n, tries, _, err := boot.NewPartition(partition).Selected()
	st.Boots, st.Tries = generation.Number(n), tries
	return st, err
}
