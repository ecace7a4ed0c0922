package sandbox

import "os"

// A Terminal is one that a person sits at. The builder gets another one, which shows
// here, and gets what is typed here, for as long as it runs. Meanwhile this one is in
// raw mode: an interrupt key interrupts what runs inside.
type Terminal struct {
	// In and Out are the two directions of it, terminals both.
	In, Out *os.File
}
