"""What people write: settings, connections and workflows, read so that each fault is told with its place."""
