/* doppler: the Python side. */

#include "binding.h"
#include "doppler.h"

static const char doppler_doc[] =
    "DopplerSpectra(*, carriers, mics, window_samples, hop_samples)\n--\n\n"
    "Blackman-windowed power spectra of overlapping windows of baseband, one each hop once the first window is full.\n"
    "A complex tone of amplitude A reads A^2 in its own bin; bins run from -rate/2 upwards. The output does not\n"
    "depend on how the input is cut into blocks.\n\n"
    "Args:\n"
    "    carriers: 1 to 4.\n"
    "    mics: 1 to 8.\n"
    "    window_samples: a power of two from 64 to 4096.\n"
    "    hop_samples: 1 to window_samples.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char doppler_process_into_doc[] =
    "process_into($self, /, iq, power_dbfs)\n--\n\n"
    "Consume `iq` complex64 [carriers, mics, samples]; fill `power_dbfs` float32 [spectra, carriers, mics, bins],\n"
    "where `spectra` is what output_spectra(samples) says. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

/* Rows alone would do for the core; the Python side also keeps what they are. */
typedef struct {
    pp_doppler *doppler;
    Py_ssize_t carriers;
    Py_ssize_t hop_samples;
} doppler_core;

static void doppler_destroy(void *core)
{
    doppler_core *const both = core;
    pp_doppler_destroy(both->doppler);
    PyMem_Free(both);
}

static PyObject *doppler_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"carriers", "mics", "window_samples", "hop_samples", NULL};
    int carriers = 0;
    int mics = 0;
    pp_doppler_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiii:DopplerSpectra", names, &carriers, &mics,
                                     &spec.window_samples, &spec.hop_samples) ||
        !pp_rows_are_valid(carriers, mics)) {
        return NULL;
    }
    spec.rows = carriers * mics;
    doppler_core *const core = PyMem_Malloc(sizeof(doppler_core));
    if (core == NULL) {
        return PyErr_NoMemory();
    }
    char reason[PP_REASON_BYTES];
    *core = (doppler_core){pp_doppler_create(&spec, reason), carriers, spec.hop_samples};
    if (core->doppler == NULL) {
        PyMem_Free(core);
        return pp_wrap(type, NULL, doppler_destroy, reason);
    }
    return pp_wrap(type, core, doppler_destroy, reason);
}

static void doppler_dealloc(PyObject *self)
{
    pp_unwrap(self, doppler_destroy);
}

static Py_ssize_t output_spectra(const doppler_core *core, Py_ssize_t samples)
{
    const Py_ssize_t first = (Py_ssize_t)pp_doppler_until_hop(core->doppler);
    return samples < first ? 0 : 1 + (samples - first) / core->hop_samples;
}

static PyObject *doppler_output_spectra(PyObject *self, PyObject *object)
{
    const Py_ssize_t samples = PyLong_AsSsize_t(object);
    if (samples < 0) {
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_ValueError, "samples: wanted 0 or more, got %zd", samples);
    }
    if (!pp_enter(self)) {
        return NULL;
    }
    const Py_ssize_t spectra = output_spectra(pp_core(self), samples);
    pp_leave(self);
    return PyLong_FromSsize_t(spectra);
}

static PyObject *doppler_until_hop(PyObject *self, void *closure)
{
    (void)closure;
    if (!pp_enter(self)) {
        return NULL;
    }
    const doppler_core *const core = pp_core(self);
    const size_t samples = pp_doppler_until_hop(core->doppler);
    pp_leave(self);
    return PyLong_FromSize_t(samples);
}

static bool transform(const doppler_core *core, PyObject *iq_object, PyObject *power_object)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_doppler_rows(core->doppler) / core->carriers;
    const pp_buffer_wish iq_wish = {"iq", "complex64", "Zf", 8, 4, 3, {core->carriers, mics, PP_ANY}, false};
    Py_buffer iq;
    if (!pp_take(iq_object, &iq_wish, &iq)) {
        return false;
    }
    const Py_ssize_t spectra = output_spectra(core, iq.shape[2]);
    const Py_ssize_t bins = (Py_ssize_t)pp_doppler_bins(core->doppler);
    const pp_buffer_wish power_wish = {"power_dbfs", "float32", "f", 4, 4, 4, {spectra, core->carriers, mics, bins}, true};
    Py_buffer power;
    if (!pp_take(power_object, &power_wish, &power)) {
        PyBuffer_Release(&iq);
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_doppler_execute(core->doppler, iq.buf, (size_t)iq.shape[2], power.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&power);
    PyBuffer_Release(&iq);
    return true;
}

static PyObject *doppler_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"iq", "power_dbfs", NULL};
    PyObject *iq = NULL;
    PyObject *power = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:process_into", names, &iq, &power) || !pp_enter(self)) {
        return NULL;
    }
    const bool done = transform(pp_core(self), iq, power);
    pp_leave(self);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *doppler_reset(PyObject *self, PyObject *none)
{
    (void)none;
    if (!pp_enter(self)) {
        return NULL;
    }
    const doppler_core *const core = pp_core(self);
    pp_doppler_reset(core->doppler);
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyMethodDef doppler_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))doppler_process_into, METH_VARARGS | METH_KEYWORDS,
     doppler_process_into_doc},
    {"output_spectra", doppler_output_spectra, METH_O,
     "output_spectra($self, samples, /)\n--\n\nHow many spectra the next `samples` samples will complete."},
    {"reset", doppler_reset, METH_NOARGS, "reset($self, /)\n--\n\nBegin a new window."},
    {0},
};

static PyGetSetDef doppler_properties[] = {
    {"until_hop", doppler_until_hop, NULL, "Samples until the next spectrum is complete, 1 or more.", NULL},
    {0},
};

static PyType_Slot doppler_slots[] = {
    {Py_tp_new, doppler_new},         {Py_tp_dealloc, doppler_dealloc},
    {Py_tp_methods, doppler_methods}, {Py_tp_getset, doppler_properties},
    {Py_tp_doc, (void *)doppler_doc}, {0, NULL},
};

PyType_Spec pp_doppler_type = {
    .name = "appliance.dsp._core.DopplerSpectra",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = doppler_slots,
};
