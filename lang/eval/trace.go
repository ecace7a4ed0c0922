package eval

import (
	"slices"

	"sysc/lang/diag"
)

// A Trace notes what cells do while they are computed: which others they ask for, and
// what else happens that somebody tells the trace. Who does the same once more, in the
// same order, has all effects of computing the cell.
//
// A nil trace notes nothing.
type Trace struct {
	// Cells are the events of cells that are computed, by address. Of an address that
	// several have there is nothing.
	Cells map[string][]Event
	twice map[string]bool
	// events are those of the cells that are being computed; each has those from one of
	// begins on, up to the next cell's.
	events []Event
	begins []int
	gaps   bool
	getter map[string]func() diag.List
}

// An Event is one thing that a cell did.
type Event struct {
	// Cell is the address of a cell that it asked for, "" for something else.
	Cell string
	// Made is what somebody told the trace, see [Trace.Note].
	Made any
}

// NewTrace returns an empty trace. With replay, cells can be asked for by their
// addresses: see [Trace.Ask].
func NewTrace(replay bool) *Trace {
	t := &Trace{Cells: map[string][]Event{}, twice: map[string]bool{}}
	if replay {
		t.getter = map[string]func() diag.List{}
	}
	return t
}

// Note adds an event to those of the cell that is being computed, if there is one.
func (t *Trace) Note(made any) { t.add(Event{Made: made}) }

func (t *Trace) add(e Event) {
	if t != nil && len(t.begins) > 0 {
		t.events = append(t.events, e)
	}
}

// Gap says that something depends on what no event tells.
func (t *Trace) Gap() {
	if t != nil {
		t.gaps = true
	}
}

// Ambiguous reports whether several cells have the same address: nobody knows what they
// do.
func (t *Trace) Ambiguous() bool { return len(t.twice) > 0 }

// HasGaps reports whether anybody has said [Trace.Gap].
func (t *Trace) HasGaps() bool { return t.gaps }

// Together makes one event of all that the cell does in do, of which event must keep
// nothing.
func (t *Trace) Together(do func(), event func(events []Event) any) {
	if t == nil || len(t.begins) == 0 {
		do()
		return
	}
	from := len(t.events)
	do()
	made := event(t.events[from:])
	t.events = append(t.events[:from], Event{Made: made})
}

// Ask asks for the cell of an address. It returns false when there is not one such
// cell, or when it has something to say.
func (t *Trace) Ask(addr string) bool {
	get := t.getter[addr]
	return get != nil && len(get()) == 0
}

func (t *Trace) replays() bool { return t != nil && t.getter != nil }

// known notes that there is a cell.
func (t *Trace) known(addr string, get func() diag.List) {
	if _, twice := t.getter[addr]; twice {
		get = nil
	}
	t.getter[addr] = get
}

func (t *Trace) begin() {
	if t != nil {
		t.begins = append(t.begins, len(t.events))
	}
}

func (t *Trace) end(addr string) {
	if t == nil {
		return
	}
	top := len(t.begins) - 1
	events := t.events[t.begins[top]:]
	t.events, t.begins = t.events[:t.begins[top]], t.begins[:top]
	if _, again := t.Cells[addr]; again || t.twice[addr] {
		t.twice[addr] = true
		delete(t.Cells, addr)
		return
	}
	t.Cells[addr] = slices.Clone(events)
}
