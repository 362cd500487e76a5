package device

// A Temperature is what a sensor of the machine measures.
type Temperature struct {
	// Sensor is what the system calls it.
	Sensor  string
	Celsius float64
}

// A Memory is how much the machine has, in bytes.
type Memory struct {
	Total, Available int64
	// Killed is how many programs the system has ended since its start because there was none left.
	Killed int64
}

// Power is how a board thinks of its power supply.
type Power struct {
	// Low is true if the voltage is too low now, and WasLow if it was since the start.
	Low, WasLow bool
}

// Temperatures are what can be read; none where nothing can.
func Temperatures() []Temperature { return temperatures() }

// ReadMemory says how much memory there is. The error is errors.ErrUnsupported where that can't be known.
func ReadMemory() (Memory, error) { return memory() }

// ReadPower says how the power supply is. The error is errors.ErrUnsupported where the board can't tell.
func ReadPower() (Power, error) { return power() }

// Resident is how many bytes of memory this program has, and 0 where that can't be known.
func Resident() int64 { return resident() }
