"""How the master weighs the messages that came: `weights(responded) -> (R, W)`."""
