package sandbox

import "time"

// Circumstances are what a builder can notice of the machine and the moment that it
// runs in, and what its result should not depend on. The zero value changes
// nothing.
//
// They are approximations: what they are to the builder is decided by the calls
// that it makes, not by what it could find out with more effort.
type Circumstances struct {
	// OneProcessor lets the builder run on one processor only.
	OneProcessor bool
	// ReverseListings makes every directory list what is in it in the reverse of
	// the order of its file system (getdents64(2)). Directories of file systems
	// whose positions do not grow, as over some networks, are listed as they are.
	ReverseListings bool
	// ClockShift is how far the clock of the day is ahead, in the eyes of the
	// builder; it cannot be negative. Times of files are the machine's, and so are
	// clocks that count from its start.
	ClockShift time.Duration
}

// asks reports whether process 1 has to answer calls for the sake of them.
func (c *Circumstances) asks() bool { return c.ReverseListings || c.ClockShift != 0 }
