# What the system does once it runs: sysc test starts it in a virtual machine.

test "it comes up and says hello" {
  machine "minimal" {}
  step "the greeting was said" {
    wait_for_unit = "hello.service"
    succeed       = "journalctl --unit=hello --grep 'hello from ${system.name}'"
  }
  step "its user is there, and packages cannot be changed" {
    succeed = "id ada"
    fail    = "touch /usr/bin/x"
  }
  step "what was written survives a power cut" {
    succeed = "echo kept >/var/lib/kept; sync"
  }
  step "the power comes back" {
    cut_power = true
    succeed   = "grep kept /var/lib/kept"
  }
}
