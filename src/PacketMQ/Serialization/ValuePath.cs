using System.Buffers;
using System.Text;

namespace PacketMQ.Serialization;

/// <summary>Where a walk through arrays and maps is: <c> at mylist[2].name</c>. Allocates nothing until somebody asks.</summary>
internal struct ValuePath(int maxDepth) : IDisposable
{
    private const int BeforeElements = -1;

    private (object? Key, int Index)[]? _steps;
    private int _depth;
    private int _used;

    public int MaxDepth { get; } = maxDepth;

    public bool TryEnter()
    {
        if (_depth == MaxDepth)
            return false;
        _steps ??= ArrayPool<(object?, int)>.Shared.Rent(MaxDepth);
        _steps[_depth++] = (null, BeforeElements);
        _used = Math.Max(_used, _depth);
        return true;
    }

    public void Leave() => _depth--;

    public readonly void AtKey(object key) => _steps![_depth - 1] = (key, 0);

    public readonly void AtIndex(int index) => _steps![_depth - 1] = (null, index);

    /// <summary>Empty at the top.</summary>
    public override readonly string ToString()
    {
        var path = new StringBuilder();
        for (int i = 0; i < _depth && path.Length < 256; i++)
        {
            (object? key, int index) = _steps![i];
            if (key is string { Length: > 0 and < 64 } name && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                path.Append(i == 0 ? "" : ".").Append(name);
            else if (key is not null)
                path.Append('[').Append(ValueFormatter.Format(key, 64)).Append(']');
            else if (index != BeforeElements)
                path.Append('[').Append(index).Append(']');
        }

        return path.Length switch
        {
            0 => "",
            > 256 => $" at {path.ToString(0, 256)}...",
            _ => $" at {path}",
        };
    }

    public void Dispose()
    {
        if (_steps is null)
            return;
        Array.Clear(_steps, 0, _used);
        ArrayPool<(object?, int)>.Shared.Return(_steps);
        _steps = null;
        _depth = 0;
    }
}
