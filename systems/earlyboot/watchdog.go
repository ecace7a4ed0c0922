package earlyboot

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// armWatchdog starts the machine's watchdog. It is not fed: the system has to take
// it over in time (RuntimeWatchdogSec in systemd-system.conf(5)). The kernel keeps it
// running after the file is closed, because nothing was written that says otherwise
// (Documentation/watchdog/watchdog-api.rst, "magic close").
func armWatchdog(path string, timeout time.Duration) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("arm watchdog: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)); err != nil {
		return fmt.Errorf("arm watchdog: set time: %w", err)
	}
	return nil
}
