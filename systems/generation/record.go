package generation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/health"
)

// recordFormat is the version of a record's layout.
const recordFormat = 1

// maxRecord bounds a record and the profile's state, in bytes.
const maxRecord = 1 << 20

// A Number names a generation of one profile. The first is 1; none is used twice,
// even when a generation is deleted.
type Number int

// String returns the number in decimal.
func (n Number) String() string { return strconv.Itoa(int(n)) }

// ParseNumber reads a generation's number: decimal, without sign or leading
// zeros.
func ParseNumber(s string) (Number, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("parse generation %q: not a number from 1", s)
	}
	return Number(n), nil
}

// A Record is what is known of one generation. It never changes.
type Record struct {
	Number Number `json:"number"`
	// System is the system object.
	System store.Path `json:"system"`
	// Name is the system's, as in the definition.
	Name string `json:"name"`
	// Manifest is the digest of the system's manifest, which is among the
	// profile's objects.
	Manifest store.Digest `json:"manifest"`
	// Created is when it was made, in whole seconds of UTC.
	Created time.Time `json:"created"`
	// Previous is the generation that was current then, 0 for none: where
	// rolling back goes.
	Previous Number `json:"previous,omitempty"`
	// Kernel is the kernel's version, empty for a system without one.
	Kernel string `json:"kernel,omitempty"`
	// Provenance is what the system was made from.
	Provenance systems.Provenance `json:"provenance"`
	// Places are the checkouts that it uses, by top-level directory.
	Places map[string]string `json:"places"`
	// Links are the top-level symbolic links of its root.
	Links map[string]string `json:"links,omitempty"`
	// Objects are the store objects beside System that have to stand below the
	// machine's store directory, sorted.
	Objects []store.Path `json:"objects,omitempty"`
	// Home is what a generation of a home has in the home directory, nil for a
	// machine's.
	Home *Home `json:"home,omitempty"`
}

// Kind is that of the system.
func (r *Record) Kind() systems.Kind {
	if r.Home != nil {
		return systems.Home
	}
	return systems.Machine
}

// HomeEntries are what the generation has in the home directory, none of a machine's.
func (r *Record) HomeEntries() []HomeEntry {
	if r.Home == nil {
		return nil
	}
	return r.Home.Entries
}

// HomeMade is [Home.Made], nothing of a machine's.
func (r *Record) HomeMade() []string {
	if r.Home == nil {
		return nil
	}
	return r.Home.Made
}

// Address is what messages call the system: system.laptop, home.anna.
func (r *Record) Address() string { return r.Kind().Address(r.Name) }

type recordFile struct {
	Format int `json:"format"`
	Record
}

// encode returns the record as JSON, indented, ending in a newline.
func (r *Record) encode() ([]byte, error) { return encodeJSON(recordFile{recordFormat, *r}) }

// parseRecord reads what encode wrote.
func parseRecord(data []byte) (*Record, error) {
	var f recordFile
	if err := decodeJSON(data, &f); err != nil {
		return nil, err
	}
	if f.Format != recordFormat {
		return nil, fmt.Errorf("format %d, this sysc reads format %d", f.Format, recordFormat)
	}
	if _, err := store.ParsePath(string(f.System)); err != nil {
		return nil, err
	}
	for _, p := range f.Objects {
		if _, err := store.ParsePath(string(p)); err != nil {
			return nil, err
		}
	}
	for name, place := range f.Places {
		if !isName(name) || !isName(place) {
			return nil, fmt.Errorf("place %q at %q: not names", name, place)
		}
	}
	for name := range f.Links {
		if !isName(name) {
			return nil, fmt.Errorf("link %q: not a name", name)
		}
	}
	if f.Home != nil {
		if err := f.Home.check(); err != nil {
			return nil, err
		}
	}
	return &f.Record, nil
}

// isName reports whether s can be one name in a directory.
func isName(s string) bool {
	return s != "" && s != "." && s != ".." && !bytes.ContainsAny([]byte(s), "/\x00")
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

func decodeJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// An Outcome says how an activation ended.
type Outcome string

// The outcomes of an activation.
const (
	// Started: it is under way, or was killed. Either generation is whole, and
	// the next switch completes or undoes the rest.
	Started Outcome = "started"
	// Done: the generation is the running state, with everything around it.
	Done Outcome = "done"
	// Failed: it ended with an error.
	Failed Outcome = "failed"
)

// A Scope is when a generation is to be in force.
type Scope string

// The scopes.
const (
	Always Scope = ""     // from now on, and when the machine is started
	AtBoot Scope = "boot" // when the machine is started, and not before
	Once   Scope = "once" // now, or if that cannot be at the next start, and not at those after
)

// An Activation is the last attempt to make a generation the current one.
type Activation struct {
	Outcome Outcome `json:"outcome"`
	// From and To are the generations; From is 0 for the first switch.
	From Number `json:"from,omitempty"`
	To   Number `json:"to"`
	// New is set when To was made for this activation.
	New bool `json:"new,omitempty"`
	// Pending are the generations whose declarations may still stand in the
	// machine's directories, beside To's: From, and what earlier activations that
	// did not complete left. Sorted.
	Pending []Number `json:"pending,omitempty"`
	// Scope says what it is about, when that is not both now and the next start.
	Scope Scope `json:"scope,omitempty"`
	// Reboot says why the machine has to be started again to be in To.
	Reboot []string `json:"reboot,omitempty"`
	// Time is when it began.
	Time time.Time `json:"time"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`
}

// state is what a profile remembers beside its generations.
type state struct {
	Format int `json:"format"`
	// Last is the highest number that was ever used.
	Last       Number      `json:"last"`
	Activation *Activation `json:"activation,omitempty"`
	// Pinned are the generations that are not to be deleted, sorted.
	Pinned []Number `json:"pinned,omitempty"`
	// Fallback is the last one that nothing has come after.
	Fallback *Fallback `json:"fallback,omitempty"`
}

// A Fallback says that a machine was to run one generation, and came back to another by
// itself.
type Fallback struct {
	// From did not work, To is what the machine came back to, 0 as long as it has not.
	From Number `json:"from"`
	To   Number `json:"to,omitempty"`
	// Time is when that was noticed, in whole seconds of UTC.
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	// Health is what came out of the health checks of From, nil when they were not
	// carried out.
	Health *health.Report `json:"health,omitempty"`
}
