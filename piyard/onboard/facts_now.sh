facts
