package vm

import (
	"fmt"
	"os"
)

// firstInherited is the descriptor of the first of exec.Cmd's ExtraFiles.
const firstInherited = 3

// MAC is the address of the machine's network card: of those that anybody may give out
// (52:54:00 is what QEMU uses), and by the machine's number.
func (o *Options) MAC() string { return fmt.Sprintf("52:54:00:73:79:%02x", o.Station) }

// connect gives the machine what only programs use. QEMU inherits one end of each
// connection, so that there is no socket that anybody else could open.
func (m *Machine) connect(opts *Options) error {
	if opts.Network != nil {
		cable, err := opts.Network.connect()
		if err != nil {
			return err
		}
		m.inherit(cable, func(fd int) []string {
			// Nothing boots from the network: no program for that.
			return []string{
				"-netdev", fmt.Sprintf("socket,id=net,fd=%d", fd),
				"-device", "virtio-net-pci,netdev=net,romfile=,mac=" + opts.MAC(),
			}
		})
	}
	if opts.Shell {
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		m.shell = newShell(ours)
		m.inherit(theirs, func(fd int) []string {
			return []string{
				"-chardev", fmt.Sprintf("socket,id=shell,fd=%d", fd),
				"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=" + shellPort,
			}
		})
	}
	if opts.Screen {
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		m.screen = newMonitor(ours)
		m.inherit(theirs, func(fd int) []string {
			// A card without memory of its own to write to: kernels from 6.12 on crash
			// with what QEMU 7.2 has of the other kind.
			return []string{
				"-device", "virtio-gpu-pci",
				"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", fd), "-mon", "chardev=monitor,mode=control",
			}
		})
	}
	return nil
}

// inherit hands QEMU a descriptor, with the arguments that say what it is for.
func (m *Machine) inherit(f *os.File, args func(fd int) []string) {
	m.cmd.Args = append(m.cmd.Args, args(firstInherited+len(m.cmd.ExtraFiles))...)
	m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, f)
}

// closePorts ends what talks to the machine.
func (m *Machine) closePorts() {
	if m.shell != nil {
		m.shell.conn.Close()
	}
	if m.screen != nil {
		m.screen.conn.Close()
	}
}
