//! Dead letters and unplaced signals, and their ways out (I2).
