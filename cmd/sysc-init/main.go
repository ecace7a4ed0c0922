// Sysc-init is the first program of an initrd that sysc makes: it mounts a
// generation and starts its init. See package earlyboot.
package main

import "sysc/systems/earlyboot"

func main() { earlyboot.Run() }
